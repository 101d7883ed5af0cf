# The cluster's API is asked from the private network only. Nodes for jobs are pools that go to zero.

resource "azurerm_user_assigned_identity" "cluster" {
  name                = "${local.name}-cluster"
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
}

resource "azurerm_disk_encryption_set" "main" {
  name                      = local.name
  location                  = azurerm_resource_group.main.location
  resource_group_name       = azurerm_resource_group.main.name
  key_vault_key_id          = azurerm_key_vault_key.keys["data"].versionless_id
  auto_key_rotation_enabled = true
  encryption_type           = "EncryptionAtRestWithPlatformAndCustomerKeys"
  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.cluster.id]
  }
}

resource "azurerm_log_analytics_workspace" "main" {
  name                = local.name
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  retention_in_days   = 365
}

resource "azurerm_kubernetes_cluster" "main" {
  name                              = local.name
  location                          = azurerm_resource_group.main.location
  resource_group_name               = azurerm_resource_group.main.name
  dns_prefix                        = local.name
  kubernetes_version                = var.kubernetes_version
  sku_tier                          = "Standard"
  private_cluster_enabled           = true
  local_account_disabled            = true
  role_based_access_control_enabled = true
  oidc_issuer_enabled               = true
  workload_identity_enabled         = true
  azure_policy_enabled              = true
  automatic_upgrade_channel         = "patch"
  node_os_upgrade_channel           = "NodeImage"
  disk_encryption_set_id            = azurerm_disk_encryption_set.main.id
  tags                              = local.tags

  default_node_pool {
    name                         = "web"
    vm_size                      = var.web_pool.size
    auto_scaling_enabled         = true
    min_count                    = var.web_pool.least
    max_count                    = var.web_pool.most
    zones                        = ["1", "2", "3"]
    vnet_subnet_id               = azurerm_subnet.nodes.id
    host_encryption_enabled      = true
    node_labels                  = { "clip-platform/pool" = "web" }
    temporary_name_for_rotation  = "webnext"
    only_critical_addons_enabled = false
  }
  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.cluster.id]
  }
  azure_active_directory_role_based_access_control {
    azure_rbac_enabled     = true
    admin_group_object_ids = var.cluster_admins
  }
  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_policy      = "cilium"
    network_data_plane  = "cilium"
    pod_cidr            = "100.64.0.0/12"
    service_cidr        = "100.112.0.0/16"
    dns_service_ip      = "100.112.0.10"
  }
  ingress_application_gateway { gateway_id = azurerm_application_gateway.main.id }
  oms_agent {
    log_analytics_workspace_id      = azurerm_log_analytics_workspace.main.id
    msi_auth_for_monitoring_enabled = true
  }
  key_vault_secrets_provider { secret_rotation_enabled = true }
}

resource "azurerm_kubernetes_cluster_node_pool" "jobs" {
  for_each = {
    worker = { size = "Standard_D8s_v5", most = 20, taints = ["clip-platform/pool=worker:NoSchedule"] }
    gpu    = { size = "Standard_NC8as_T4_v3", most = 16, taints = ["clip-platform/pool=gpu:NoSchedule", "nvidia.com/gpu=true:NoSchedule"] }
  }
  name                    = each.key
  kubernetes_cluster_id   = azurerm_kubernetes_cluster.main.id
  vm_size                 = each.value.size
  auto_scaling_enabled    = true
  min_count               = 0
  max_count               = each.value.most
  vnet_subnet_id          = azurerm_subnet.nodes.id
  host_encryption_enabled = true
  node_labels             = { "clip-platform/pool" = each.key }
  node_taints             = each.value.taints
  tags                    = local.tags
}

resource "azurerm_container_registry" "main" {
  name                          = local.flat
  resource_group_name           = azurerm_resource_group.main.name
  location                      = azurerm_resource_group.main.location
  sku                           = "Premium"
  admin_enabled                 = false
  public_network_access_enabled = false
  zone_redundancy_enabled       = true
  georeplications {
    location                = var.replica_region
    zone_redundancy_enabled = true
  }
}

resource "azurerm_role_assignment" "pulls" {
  scope                = azurerm_container_registry.main.id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_kubernetes_cluster.main.kubelet_identity[0].object_id
}
