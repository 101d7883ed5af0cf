terraform {
  required_version = ">= 1.7"
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.20, < 5.0"
    }
  }
  # terraform init -backend-config=resource_group_name=... -backend-config=storage_account_name=... -backend-config=key=...
  backend "azurerm" {
    container_name   = "terraform"
    use_azuread_auth = true
  }
}

provider "azurerm" {
  storage_use_azuread = true
  features {
    key_vault {
      purge_soft_delete_on_destroy = false
    }
  }
}

data "azurerm_client_config" "current" {}

locals {
  name = "clip-platform-${var.environment}"
  flat = "clips${var.environment}" # where no dash may be
  tags = { application = "clip-platform", environment = var.environment }
}

resource "azurerm_resource_group" "main" {
  name     = local.name
  location = var.region
  tags     = local.tags
}

resource "azurerm_resource_group" "replica" {
  name     = "${local.name}-replica"
  location = var.replica_region
  tags     = local.tags
}
