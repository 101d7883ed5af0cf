# Buckets: sealed by our key, versioned, closed to the public and to unencrypted requests, copied to the other region.

resource "aws_s3_bucket" "main" {
  #checkov:skip=CKV2_AWS_62:nothing listens to a bucket; the worker verifies uploads when the API says so
  #checkov:skip=CKV_AWS_18:aws_s3_bucket_logging.main logs all but the logs themselves, by for_each, which is not followed
  #checkov:skip=CKV2_AWS_6:aws_s3_bucket_public_access_block.main closes each, by for_each; tests/promises.tftest.hcl counts them
  #checkov:skip=CKV_AWS_144:aws_s3_bucket_replication_configuration.main copies all but logs, by for_each
  #checkov:skip=CKV_AWS_21:aws_s3_bucket_versioning.main, by for_each; tests/promises.tftest.hcl counts them
  #checkov:skip=CKV_AWS_145:aws_s3_bucket_server_side_encryption_configuration.main, by for_each; tests/promises.tftest.hcl counts them
  for_each            = local.buckets
  bucket              = "${local.name}-${each.key}"
  object_lock_enabled = each.value.locked_days > 0
}

resource "aws_s3_bucket_versioning" "main" {
  for_each = aws_s3_bucket.main
  bucket   = each.value.id
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "main" {
  for_each = aws_s3_bucket.main
  bucket   = each.value.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.data.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "main" {
  for_each                = aws_s3_bucket.main
  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "main" {
  for_each = aws_s3_bucket.main
  bucket   = each.value.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [each.value.arn, "${each.value.arn}/*"]
      Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } }
    }]
  })
}

resource "aws_s3_bucket_object_lock_configuration" "main" {
  for_each = { for name, bucket in local.buckets : name => bucket if bucket.locked_days > 0 }
  bucket   = aws_s3_bucket.main[each.key].id
  rule {
    default_retention {
      mode = "COMPLIANCE"
      days = each.value.locked_days
    }
  }
  depends_on = [aws_s3_bucket_versioning.main]
}

resource "aws_s3_bucket_lifecycle_configuration" "main" {
  #checkov:skip=CKV_AWS_300:the first rule ends them after three days; rules with an empty filter are not recognised
  for_each = local.buckets
  bucket   = aws_s3_bucket.main[each.key].id
  rule {
    id     = "incomplete-uploads"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload { days_after_initiation = 3 }
  }
  rule {
    # what a tenant deleted is gone for good within the 24 hours that erasure promises; a mistake of ours is not undone so
    id     = "old-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration { noncurrent_days = each.value.locked_days > 0 ? each.value.locked_days + 1 : 1 }
  }
  dynamic "rule" {
    for_each = each.value.expires_days > 0 ? [each.value.expires_days] : []
    content {
      id     = "expiry"
      status = "Enabled"
      filter {}
      expiration { days = rule.value }
    }
  }
  dynamic "rule" {
    for_each = each.key == "media" ? [1] : []
    content {
      id     = "colder"
      status = "Enabled"
      filter {}
      transition {
        days          = 30
        storage_class = "INTELLIGENT_TIERING"
      }
    }
  }
  depends_on = [aws_s3_bucket_versioning.main]
}

resource "aws_s3_bucket_logging" "main" {
  for_each      = { for name, bucket in aws_s3_bucket.main : name => bucket if name != "logs" }
  bucket        = each.value.id
  target_bucket = aws_s3_bucket.main["logs"].id
  target_prefix = "access/${each.key}/"
}

# Browsers upload parts straight to the bucket; the API signs each.
resource "aws_s3_bucket_cors_configuration" "media" {
  bucket = aws_s3_bucket.main["media"].id
  cors_rule {
    allowed_methods = ["PUT", "GET"]
    allowed_origins = ["*"] # the signature decides, not the page
    allowed_headers = ["*"]
    expose_headers  = ["ETag"]
    max_age_seconds = 3600
  }
}

locals {
  replicated = { for name, bucket in local.buckets : name => bucket if bucket.replicated }
}

resource "aws_s3_bucket" "replica" {
  #checkov:skip=CKV2_AWS_62:nothing listens to a bucket
  #checkov:skip=CKV_AWS_18:only the replication writes here, and CloudTrail tells what a person did
  #checkov:skip=CKV2_AWS_6:aws_s3_bucket_public_access_block.replica, by for_each
  #checkov:skip=CKV_AWS_144:it is the copy
  #checkov:skip=CKV_AWS_21:aws_s3_bucket_versioning.replica, by for_each
  #checkov:skip=CKV_AWS_145:aws_s3_bucket_server_side_encryption_configuration.replica, by for_each
  #checkov:skip=CKV2_AWS_61:aws_s3_bucket_lifecycle_configuration.replica, by for_each
  provider            = aws.replica
  for_each            = local.replicated
  bucket              = "${local.name}-${each.key}-replica"
  object_lock_enabled = each.value.locked_days > 0
}

resource "aws_s3_bucket_versioning" "replica" {
  provider = aws.replica
  for_each = aws_s3_bucket.replica
  bucket   = each.value.id
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "replica" {
  provider = aws.replica
  for_each = aws_s3_bucket.replica
  bucket   = each.value.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.replica.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "replica" {
  provider                = aws.replica
  for_each                = aws_s3_bucket.replica
  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "replica" {
  #checkov:skip=CKV_AWS_300:the rule ends them after three days; rules with an empty filter are not recognised
  provider = aws.replica
  for_each = local.replicated
  bucket   = aws_s3_bucket.replica[each.key].id
  rule {
    id     = "old-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration { noncurrent_days = each.value.locked_days > 0 ? each.value.locked_days + 1 : 1 }
    abort_incomplete_multipart_upload { days_after_initiation = 3 }
  }
  depends_on = [aws_s3_bucket_versioning.replica]
}

resource "aws_s3_bucket_replication_configuration" "main" {
  for_each = local.replicated
  bucket   = aws_s3_bucket.main[each.key].id
  role     = aws_iam_role.replication.arn
  rule {
    id     = "all"
    status = "Enabled"
    filter {}
    # erased here is erased there
    delete_marker_replication { status = "Enabled" }
    source_selection_criteria {
      sse_kms_encrypted_objects { status = "Enabled" }
    }
    destination {
      bucket        = aws_s3_bucket.replica[each.key].arn
      storage_class = "STANDARD_IA"
      encryption_configuration { replica_kms_key_id = aws_kms_key.replica.arn }
      metrics {
        status = "Enabled"
        event_threshold { minutes = 15 }
      }
      replication_time {
        status = "Enabled"
        time { minutes = 15 }
      }
    }
  }
  depends_on = [aws_s3_bucket_versioning.main, aws_s3_bucket_versioning.replica]
}

resource "aws_iam_role" "replication" {
  name = "${local.name}-replication"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "s3.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy" "replication" {
  name = "copies"
  role = aws_iam_role.replication.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = ["s3:GetReplicationConfiguration", "s3:ListBucket"], Resource = [for name, _ in local.replicated : aws_s3_bucket.main[name].arn] },
      { Effect = "Allow", Action = ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging", "s3:GetObjectRetention"], Resource = [for name, _ in local.replicated : "${aws_s3_bucket.main[name].arn}/*"] },
      { Effect = "Allow", Action = ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"], Resource = [for bucket in aws_s3_bucket.replica : "${bucket.arn}/*"] },
      { Effect = "Allow", Action = ["kms:Decrypt"], Resource = aws_kms_key.data.arn },
      { Effect = "Allow", Action = ["kms:Encrypt", "kms:GenerateDataKey"], Resource = aws_kms_key.replica.arn },
    ]
  })
}
