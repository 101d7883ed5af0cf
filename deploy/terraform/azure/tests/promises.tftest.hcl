# What the platform promises about its cloud, on a plan with mock providers: nothing is asked of Azure.

mock_provider "azurerm" {}

variables {
  environment    = "production"
  region         = "germanywestcentral"
  replica_region = "westeurope"
  cluster_admins = ["00000000-0000-0000-0000-000000000001"]
  alarm_topic    = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/a/providers/Microsoft.Insights/actionGroups/b"
  redis_password = "a-password-of-some-length"
  web_pool       = { size = "Standard_D4s_v5", least = 2, most = 6 }
  database       = { size = "GP_Standard_D4ds_v5", disk_gb = 256, most_disk_gb = 2048, recovery_days = 14 }
}

run "keys_turn_every_90_days" {
  command = plan
  assert {
    condition     = alltrue([for key in azurerm_key_vault_key.keys : key.rotation_policy[0].automatic[0].time_after_creation == "P90D"])
    error_message = "A key does not turn every 90 days."
  }
}

run "the_database_survives_a_zone_and_a_region" {
  command = plan
  assert {
    condition     = azurerm_postgresql_flexible_server.main.high_availability[0].mode == "ZoneRedundant" && azurerm_postgresql_flexible_server.main.geo_redundant_backup_enabled && azurerm_postgresql_flexible_server.replica.create_mode == "Replica"
    error_message = "The database is not as safe as promised."
  }
}

run "the_audit_trail_cannot_be_deleted" {
  command = plan
  assert {
    condition     = azurerm_storage_account.audit.immutability_policy[0].state == "Locked" && azurerm_storage_account.audit.immutability_policy[0].period_since_creation_in_days == 365
    error_message = "The audit trail is not locked."
  }
}

run "only_tls_1_3_is_spoken_to_clients" {
  command = plan
  assert {
    condition     = azurerm_application_gateway.main.ssl_policy[0].min_protocol_version == "TLSv1_3"
    error_message = "The gateway speaks older TLS."
  }
}

run "gpu_nodes_go_to_zero" {
  command = plan
  assert {
    condition     = azurerm_kubernetes_cluster_node_pool.jobs["gpu"].min_count == 0
    error_message = "A GPU is paid for while nobody uses it."
  }
}
