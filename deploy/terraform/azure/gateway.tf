# TLS 1.3 and nothing older; rates, sizes and known bad requests before the API's own limits.

resource "azurerm_public_ip" "gateway" {
  name                = "${local.name}-gateway"
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  allocation_method   = "Static"
  sku                 = "Standard"
  zones               = ["1", "2", "3"]
}

resource "azurerm_web_application_firewall_policy" "main" {
  name                = local.name
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  policy_settings {
    enabled                          = true
    mode                             = "Prevention"
    request_body_check               = true
    request_body_enforcement         = true
    max_request_body_size_in_kb      = ceil(var.request_limits.body_bytes / 1024)
    request_body_inspect_limit_in_kb = 128
  }
  custom_rules {
    name                 = "RateOfAnAddress"
    priority             = 1
    rule_type            = "RateLimitRule"
    action               = "Block"
    rate_limit_duration  = "FiveMins"
    rate_limit_threshold = var.request_limits.per_address
    group_rate_limit_by  = "ClientAddr"
    match_conditions {
      operator           = "IPMatch"
      negation_condition = false
      match_values       = ["0.0.0.0/0"]
      match_variables { variable_name = "RemoteAddr" }
    }
  }
  managed_rules {
    managed_rule_set {
      type    = "Microsoft_DefaultRuleSet"
      version = "2.1"
    }
    managed_rule_set {
      type    = "Microsoft_BotManagerRuleSet"
      version = "1.1"
    }
  }
}

resource "azurerm_application_gateway" "main" {
  name                = local.name
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  zones               = ["1", "2", "3"]
  firewall_policy_id  = azurerm_web_application_firewall_policy.main.id
  sku {
    name = "WAF_v2"
    tier = "WAF_v2"
  }
  autoscale_configuration {
    min_capacity = 1
    max_capacity = 10
  }
  ssl_policy {
    policy_type          = "CustomV2"
    min_protocol_version = "TLSv1_3"
    cipher_suites        = ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"]
  }
  gateway_ip_configuration {
    name      = "gateway"
    subnet_id = azurerm_subnet.gateway.id
  }
  frontend_ip_configuration {
    name                 = "public"
    public_ip_address_id = azurerm_public_ip.gateway.id
  }
  # what a gateway must have to be made; the ingress controller writes the rest from the Ingress
  frontend_port {
    name = "https"
    port = 443
  }
  frontend_port {
    name = "http"
    port = 80
  }
  backend_address_pool { name = "none" }
  backend_http_settings {
    name                  = "none"
    cookie_based_affinity = "Disabled"
    port                  = 80
    protocol              = "Http"
    request_timeout       = 75
  }
  http_listener {
    name                           = "none"
    frontend_ip_configuration_name = "public"
    frontend_port_name             = "http"
    protocol                       = "Http"
  }
  request_routing_rule {
    name                       = "none"
    rule_type                  = "Basic"
    http_listener_name         = "none"
    backend_address_pool_name  = "none"
    backend_http_settings_name = "none"
    priority                   = 100
  }
  lifecycle {
    ignore_changes = [backend_address_pool, backend_http_settings, frontend_port, http_listener, probe, redirect_configuration, request_routing_rule, ssl_certificate, tags, url_path_map]
  }
}
