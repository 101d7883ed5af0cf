# One role for each kind of pod, assumed by its service account alone, with what it needs and nothing else.

locals {
  issuer  = replace(aws_eks_cluster.main.identity[0].oidc[0].issuer, "https://", "")
  objects = { for name, bucket in aws_s3_bucket.main : name => "${bucket.arn}/*" }
  lists   = { for name, bucket in aws_s3_bucket.main : name => bucket.arn }

  read_write   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
  use_key      = ["kms:Decrypt", "kms:GenerateDataKey"]
  seals_data   = { Effect = "Allow", Action = local.use_key, Resource = [aws_kms_key.data.arn] }
  wraps_keys   = { Effect = "Allow", Action = ["kms:Encrypt", "kms:Decrypt"], Resource = [aws_kms_key.master.arn] }
  tenants_keys = { Effect = "Allow", Action = local.use_key, Resource = ["arn:aws:kms:${var.region}:${local.account}:key/*"], Condition = { "ForAnyValue:StringLike" = { "kms:ResourceAliases" = "alias/clips-*" } } }

  pods = {
    api = {
      accounts = ["clip-platform:api"]
      statements = [
        { Effect = "Allow", Action = local.read_write, Resource = [local.objects["media"], local.objects["keys"]] },
        { Effect = "Allow", Action = ["s3:ListBucket"], Resource = [local.lists["media"], local.lists["keys"]] },
        local.seals_data, local.wraps_keys, local.tenants_keys,
      ]
    }
    worker = {
      accounts = ["clip-platform:worker"]
      statements = [
        { Effect = "Allow", Action = local.read_write, Resource = [local.objects["media"], local.objects["keys"]] },
        { Effect = "Allow", Action = ["s3:ListBucket"], Resource = [local.lists["media"], local.lists["keys"], local.lists["audit"]] },
        { Effect = "Allow", Action = ["s3:PutObject", "s3:PutObjectRetention", "s3:GetObject"], Resource = [local.objects["audit"]] },
        local.seals_data, local.wraps_keys, local.tenants_keys,
      ]
    }
    pipeline = {
      accounts = ["clip-platform:clip-platform-run", "clip-platform:clip-platform-step"]
      statements = [
        { Effect = "Allow", Action = local.read_write, Resource = [local.objects["media"], local.objects["keys"], local.objects["logs"]] },
        { Effect = "Allow", Action = ["s3:ListBucket"], Resource = [local.lists["media"], local.lists["keys"]] },
        local.seals_data, local.wraps_keys, local.tenants_keys,
      ]
    }
    dagster = {
      accounts = ["clip-platform:clip-platform-dagster", "clip-platform:exporter"]
      statements = [
        { Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], Resource = [local.objects["logs"], local.objects["media"], local.objects["keys"]] },
        { Effect = "Allow", Action = ["s3:ListBucket"], Resource = [local.lists["logs"], local.lists["media"], local.lists["keys"]] },
        local.seals_data, local.wraps_keys,
      ]
    }
    mlflow = {
      accounts = ["clip-platform:mlflow"]
      statements = [
        { Effect = "Allow", Action = local.read_write, Resource = [local.objects["models"]] },
        { Effect = "Allow", Action = ["s3:ListBucket"], Resource = [local.lists["models"]] },
        local.seals_data,
      ]
    }
    backup = {
      accounts = ["clip-platform:backup"]
      statements = [
        { Effect = "Allow", Action = ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"], Resource = [local.objects["backups"]] },
        { Effect = "Allow", Action = ["s3:ListBucket"], Resource = [local.lists["backups"]] },
        local.seals_data,
      ]
    }
    secrets-reader = {
      accounts = ["clip-platform:secrets-reader"]
      statements = [
        { Effect = "Allow", Action = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"], Resource = [for secret in aws_secretsmanager_secret.pods : secret.arn] },
        { Effect = "Allow", Action = ["kms:Decrypt"], Resource = [aws_kms_key.data.arn] },
      ]
    }
    disks = {
      accounts = ["kube-system:ebs-csi-controller-sa"]
      statements = [
        { Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant"], Resource = [aws_kms_key.data.arn] },
      ]
    }
  }
}

resource "aws_iam_role" "pods" {
  for_each = local.pods
  name     = "${local.name}-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = aws_iam_openid_connect_provider.cluster.arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = { StringEquals = {
        "${local.issuer}:aud" = "sts.amazonaws.com"
        "${local.issuer}:sub" = [for account in each.value.accounts : "system:serviceaccount:${account}"]
      } }
    }]
  })
}

resource "aws_iam_role_policy" "pods" {
  for_each = local.pods
  name     = "needs"
  role     = aws_iam_role.pods[each.key].id
  policy   = jsonencode({ Version = "2012-10-17", Statement = each.value.statements })
}

resource "aws_iam_role_policy_attachment" "disks" {
  role       = aws_iam_role.pods["disks"].name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"
}

# Empty: people or a rotation put the values in, so that none is in Terraform's state.
resource "aws_secretsmanager_secret" "pods" {
  #checkov:skip=CKV2_AWS_57:roles' passwords are turned by provision-database (docs/runbook.md), which a rotation function could not do
  for_each                = toset(["api", "worker", "owner", "pipeline", "dagster", "mlflow", "oauth2-proxy", "backup", "exporter"])
  name                    = "clip-platform/${each.key}"
  kms_key_id              = aws_kms_key.data.arn
  recovery_window_in_days = 7
  replica {
    region     = var.replica_region
    kms_key_id = aws_kms_key.replica.arn
  }
}
