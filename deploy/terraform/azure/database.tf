# Postgres in two zones, with point-in-time recovery, and a replica in the other region that can be promoted.

resource "azurerm_postgresql_flexible_server" "main" {
  name                          = local.name
  resource_group_name           = azurerm_resource_group.main.name
  location                      = azurerm_resource_group.main.location
  version                       = "17"
  sku_name                      = var.database.size
  storage_mb                    = var.database.disk_gb * 1024
  auto_grow_enabled             = true
  delegated_subnet_id           = azurerm_subnet.database.id
  private_dns_zone_id           = azurerm_private_dns_zone.zones["database"].id
  public_network_access_enabled = false
  backup_retention_days         = var.database.recovery_days
  geo_redundant_backup_enabled  = true
  zone                          = "1"
  high_availability {
    mode                      = "ZoneRedundant"
    standby_availability_zone = "2"
  }
  authentication {
    active_directory_auth_enabled = true
    password_auth_enabled         = true # the application's roles; the administrator is Entra's
    tenant_id                     = data.azurerm_client_config.current.tenant_id
  }
  customer_managed_key {
    key_vault_key_id                  = azurerm_key_vault_key.keys["data"].id
    primary_user_assigned_identity_id = azurerm_user_assigned_identity.cluster.id
  }
  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.cluster.id]
  }
  lifecycle { prevent_destroy = true }
  depends_on = [azurerm_private_dns_zone_virtual_network_link.zones]
}

resource "azurerm_postgresql_flexible_server_configuration" "main" {
  for_each = {
    require_secure_transport            = "on"
    ssl_min_protocol_version            = "TLSv1.3"
    log_connections                     = "on"
    log_disconnections                  = "on"
    idle_in_transaction_session_timeout = "60000"
  }
  server_id = azurerm_postgresql_flexible_server.main.id
  name      = each.key
  value     = each.value
}

resource "azurerm_postgresql_flexible_server" "replica" {
  name                          = "${local.name}-replica"
  resource_group_name           = azurerm_resource_group.replica.name
  location                      = azurerm_resource_group.replica.location
  create_mode                   = "Replica"
  source_server_id              = azurerm_postgresql_flexible_server.main.id
  public_network_access_enabled = false
}

resource "azurerm_monitor_metric_alert" "replica_lag" {
  name                = "${local.name}-replica-lag"
  description         = "The replica is more than 60 s behind: a failover now would lose that much"
  resource_group_name = azurerm_resource_group.replica.name
  scopes              = [azurerm_postgresql_flexible_server.replica.id]
  frequency           = "PT1M"
  window_size         = "PT5M"
  criteria {
    metric_namespace = "Microsoft.DBforPostgreSQL/flexibleServers"
    metric_name      = "physical_replication_delay_in_seconds"
    aggregation      = "Maximum"
    operator         = "GreaterThan"
    threshold        = 60
  }
  action { action_group_id = var.alarm_topic }
}

resource "azurerm_redis_cache" "main" {
  name                               = local.name
  location                           = azurerm_resource_group.main.location
  resource_group_name                = azurerm_resource_group.main.name
  sku_name                           = "Premium"
  family                             = substr(var.redis_size, 0, 1)
  capacity                           = tonumber(substr(var.redis_size, 1, 1))
  zones                              = ["1", "2"]
  non_ssl_port_enabled               = false
  minimum_tls_version                = "1.2" # the newest that Azure's Redis knows
  public_network_access_enabled      = false
  access_keys_authentication_enabled = true
}
