# Keys turn every 90 days. `data` seals disks, databases and buckets; `master` wraps the tenants' keys and is used by the
# application alone, so that a copy of all disks opens nothing of a tenant's.

locals {
  key_policy = {
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AccountAdministers"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${local.account}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  }
  logs_use_key = {
    Sid       = "LogsUse"
    Effect    = "Allow"
    Principal = { Service = "logs.${var.region}.amazonaws.com" }
    Action    = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"]
    Resource  = "*"
    Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:aws:logs:${var.region}:${local.account}:*" } }
  }
}

resource "aws_kms_key" "data" {
  description             = "${local.name}: disks, databases, buckets"
  enable_key_rotation     = true
  rotation_period_in_days = 90
  deletion_window_in_days = 30
  policy                  = jsonencode(merge(local.key_policy, { Statement = concat(local.key_policy.Statement, [local.logs_use_key]) }))
}

resource "aws_kms_alias" "data" {
  name          = "alias/clip-platform-data"
  target_key_id = aws_kms_key.data.key_id
}

resource "aws_kms_key" "master" {
  description             = "${local.name}: wraps tenants' keys"
  enable_key_rotation     = true
  rotation_period_in_days = 90
  deletion_window_in_days = 30
  multi_region            = true
  policy                  = jsonencode(local.key_policy)
}

resource "aws_kms_alias" "master" {
  name          = "alias/${local.name}-master"
  target_key_id = aws_kms_key.master.key_id
}

resource "aws_kms_replica_key" "master" {
  provider                = aws.replica
  description             = "${local.name}: wraps tenants' keys, for when the other region is lost"
  primary_key_arn         = aws_kms_key.master.arn
  deletion_window_in_days = 30
  policy                  = jsonencode(local.key_policy)
}

resource "aws_kms_key" "replica" {
  provider                = aws.replica
  description             = "${local.name}: replica of the database, copies of buckets"
  enable_key_rotation     = true
  rotation_period_in_days = 90
  deletion_window_in_days = 30
  policy                  = jsonencode(local.key_policy)
}
