# One identity for each kind of pod, assumed by its service account alone.

locals {
  pods = {
    api            = { accounts = ["api"], containers = ["media", "keys"], wraps = true }
    worker         = { accounts = ["worker"], containers = ["media", "keys"], wraps = true }
    pipeline       = { accounts = ["clip-platform-run", "clip-platform-step"], containers = ["media", "keys", "logs"], wraps = true }
    dagster        = { accounts = ["clip-platform-dagster", "exporter"], containers = ["media", "keys", "logs"], wraps = true }
    mlflow         = { accounts = ["mlflow"], containers = ["models"], wraps = false }
    backup         = { accounts = ["backup"], containers = ["backups"], wraps = false }
    secrets-reader = { accounts = ["secrets-reader"], containers = [], wraps = false }
  }
  accounts           = { for pair in flatten([for pod, one in local.pods : [for account in one.accounts : { pod = pod, account = account }]]) : pair.account => pair.pod }
  containers_of_pods = { for pair in flatten([for pod, one in local.pods : [for container in one.containers : { pod = pod, container = container }]]) : "${pair.pod}-${pair.container}" => pair }
}

resource "azurerm_user_assigned_identity" "pods" {
  for_each            = local.pods
  name                = "${local.name}-${each.key}"
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
}

resource "azurerm_federated_identity_credential" "pods" {
  for_each            = local.accounts
  name                = each.key
  resource_group_name = azurerm_resource_group.main.name
  parent_id           = azurerm_user_assigned_identity.pods[each.value].id
  issuer              = azurerm_kubernetes_cluster.main.oidc_issuer_url
  audience            = ["api://AzureADTokenExchange"]
  subject             = "system:serviceaccount:clip-platform:${each.key}"
}

resource "azurerm_role_assignment" "containers" {
  for_each             = local.containers_of_pods
  scope                = azurerm_storage_container.main[each.value.container].id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_user_assigned_identity.pods[each.value.pod].principal_id
}

resource "azurerm_role_assignment" "audit" {
  scope                = azurerm_storage_account.audit.id
  role_definition_name = "Storage Blob Data Contributor" # what is written is locked all the same
  principal_id         = azurerm_user_assigned_identity.pods["worker"].principal_id
}

resource "azurerm_role_assignment" "wraps" {
  for_each             = { for name, pod in local.pods : name => pod if pod.wraps }
  scope                = azurerm_key_vault_key.keys["master"].resource_versionless_id
  role_definition_name = "Key Vault Crypto User"
  principal_id         = azurerm_user_assigned_identity.pods[each.key].principal_id
}

resource "azurerm_role_assignment" "secrets" {
  scope                = azurerm_key_vault.main.id
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_user_assigned_identity.pods["secrets-reader"].principal_id
}
