terraform {
  required_version = ">= 1.7"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.90, < 6.0"
    }
  }
  # terraform init -backend-config=bucket=... -backend-config=key=clip-platform-production -backend-config=region=...
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region
  default_tags { tags = local.tags }
}

provider "aws" {
  alias  = "replica"
  region = var.replica_region
  default_tags { tags = local.tags }
}

data "aws_caller_identity" "current" {}

locals {
  name    = "clip-platform-${var.environment}"
  account = data.aws_caller_identity.current.account_id
  tags    = { application = "clip-platform", environment = var.environment }
  # what a bucket is for: whether its objects go to the other region, are locked for how many days, end after how many
  buckets = {
    media   = { replicated = true, locked_days = 0, expires_days = 0 }
    keys    = { replicated = true, locked_days = 0, expires_days = 0 }
    audit   = { replicated = true, locked_days = var.audit_retention_days, expires_days = 0 }
    models  = { replicated = true, locked_days = 0, expires_days = 0 }
    backups = { replicated = true, locked_days = 30, expires_days = 90 }
    logs    = { replicated = false, locked_days = 0, expires_days = 30 }
  }
}
