# Keys turn every 90 days. `data` seals disks, databases and stores; `master` wraps the tenants' keys.

resource "azurerm_key_vault" "main" {
  name                          = local.name
  location                      = azurerm_resource_group.main.location
  resource_group_name           = azurerm_resource_group.main.name
  tenant_id                     = data.azurerm_client_config.current.tenant_id
  sku_name                      = "premium"
  rbac_authorization_enabled    = true
  purge_protection_enabled      = true
  soft_delete_retention_days    = 90
  public_network_access_enabled = false
  network_acls {
    bypass         = "AzureServices"
    default_action = "Deny"
  }
}

resource "azurerm_key_vault_key" "keys" {
  for_each     = toset(["data", "master"])
  name         = each.key
  key_vault_id = azurerm_key_vault.main.id
  key_type     = "RSA-HSM"
  key_size     = 3072
  key_opts     = ["wrapKey", "unwrapKey"]
  rotation_policy {
    automatic { time_after_creation = "P90D" }
    expire_after         = "P180D"
    notify_before_expiry = "P30D"
  }
}

resource "azurerm_role_assignment" "seals" {
  scope                = azurerm_key_vault.main.id
  role_definition_name = "Key Vault Crypto Service Encryption User"
  principal_id         = azurerm_user_assigned_identity.cluster.principal_id
}
