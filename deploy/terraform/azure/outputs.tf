# What an overlay of deploy/kubernetes names.

output "cluster" {
  value = azurerm_kubernetes_cluster.main.name
}

output "database_host" {
  value = azurerm_postgresql_flexible_server.main.fqdn
}

output "replica_host" {
  value = azurerm_postgresql_flexible_server.replica.fqdn
}

output "redis_host" {
  value = azurerm_redis_cache.main.hostname
}

output "buckets" {
  value = { for name, container in azurerm_storage_container.main : name => "az://${container.name}" }
}

output "roles" {
  value = { for name, identity in azurerm_user_assigned_identity.pods : name => identity.client_id }
}

output "registries" {
  value = { for name in ["api", "pipeline", "gpu"] : name => "${azurerm_container_registry.main.login_server}/clip-platform/${name}" }
}
