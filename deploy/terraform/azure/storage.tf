# One account for what the platform writes, one for what nobody may delete; sealed by our key, closed to the public.

locals {
  containers = ["media", "keys", "models", "backups", "logs"]
}

resource "azurerm_storage_account" "main" {
  name                              = local.flat
  resource_group_name               = azurerm_resource_group.main.name
  location                          = azurerm_resource_group.main.location
  account_tier                      = "Standard"
  account_replication_type          = "GZRS"
  min_tls_version                   = "TLS1_2" # the service takes 1.3 too and cannot be told to refuse 1.2
  https_traffic_only_enabled        = true
  public_network_access_enabled     = true # clients upload parts straight to it, with signatures
  allow_nested_items_to_be_public   = false
  shared_access_key_enabled         = true # what signs those parts
  infrastructure_encryption_enabled = true
  cross_tenant_replication_enabled  = false
  tags                              = local.tags
  blob_properties {
    versioning_enabled  = true
    change_feed_enabled = true
    delete_retention_policy { days = 1 } # erasure promises 24 hours
    container_delete_retention_policy { days = 7 }
    cors_rule {
      allowed_methods    = ["PUT", "GET"]
      allowed_origins    = ["*"]
      allowed_headers    = ["*"]
      exposed_headers    = ["ETag"]
      max_age_in_seconds = 3600
    }
  }
  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.cluster.id]
  }
  customer_managed_key {
    key_vault_key_id          = azurerm_key_vault_key.keys["data"].versionless_id
    user_assigned_identity_id = azurerm_user_assigned_identity.cluster.id
  }
}

resource "azurerm_storage_container" "main" {
  for_each              = toset(local.containers)
  name                  = each.key
  storage_account_id    = azurerm_storage_account.main.id
  container_access_type = "private"
}

resource "azurerm_storage_management_policy" "main" {
  storage_account_id = azurerm_storage_account.main.id
  rule {
    name    = "old-versions"
    enabled = true
    filters { blob_types = ["blockBlob"] }
    actions {
      version { delete_after_days_since_creation = 1 }
    }
  }
  rule {
    name    = "colder"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["media/"]
    }
    actions {
      base_blob { tier_to_cool_after_days_since_modification_greater_than = 30 }
    }
  }
  rule {
    name    = "expiry"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["logs/"]
    }
    actions {
      base_blob { delete_after_days_since_modification_greater_than = 30 }
    }
  }
}

resource "azurerm_storage_account" "audit" {
  name                              = "${local.flat}audit"
  resource_group_name               = azurerm_resource_group.main.name
  location                          = azurerm_resource_group.main.location
  account_tier                      = "Standard"
  account_replication_type          = "GZRS"
  min_tls_version                   = "TLS1_2"
  public_network_access_enabled     = false
  allow_nested_items_to_be_public   = false
  infrastructure_encryption_enabled = true
  tags                              = local.tags
  blob_properties { versioning_enabled = true }
  immutability_policy {
    state                         = "Locked"
    period_since_creation_in_days = var.audit_retention_days
    allow_protected_append_writes = false
  }
}
