# What the platform promises about its cloud, on a plan with mock providers: nothing is asked of AWS.

mock_provider "aws" {
  override_data {
    target = data.aws_availability_zones.here
    values = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
  }
  override_data {
    target = data.aws_caller_identity.current
    values = { account_id = "111111111111" }
  }
}

mock_provider "aws" {
  alias = "replica"
}

variables {
  environment    = "production"
  region         = "eu-central-1"
  replica_region = "eu-west-1"
  cluster_admins = ["arn:aws:iam::111111111111:role/administrators"]
  alarm_topic    = "arn:aws:sns:eu-central-1:111111111111:alarms"
  redis_password = "a-password-of-some-length"
}

run "keys_turn_every_90_days" {
  command = plan
  assert {
    condition     = alltrue([for key in [aws_kms_key.data, aws_kms_key.master, aws_kms_key.replica] : key.enable_key_rotation && key.rotation_period_in_days == 90])
    error_message = "A key does not turn every 90 days."
  }
}

run "buckets_are_sealed_closed_and_versioned" {
  command = plan
  assert {
    condition     = alltrue([for one in aws_s3_bucket_public_access_block.main : one.block_public_acls && one.block_public_policy && one.ignore_public_acls && one.restrict_public_buckets]) && length(aws_s3_bucket_public_access_block.main) == length(aws_s3_bucket.main)
    error_message = "A bucket is open."
  }
  assert {
    condition     = alltrue([for one in aws_s3_bucket_versioning.main : one.versioning_configuration[0].status == "Enabled"]) && length(aws_s3_bucket_versioning.main) == length(aws_s3_bucket.main)
    error_message = "A bucket has no versions."
  }
  assert {
    condition     = alltrue([for one in aws_s3_bucket_server_side_encryption_configuration.main : alltrue([for rule in one.rule : rule.apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms"])])
    error_message = "A bucket is not sealed by KMS."
  }
}

run "the_audit_trail_cannot_be_deleted" {
  command = plan
  assert {
    condition     = aws_s3_bucket.main["audit"].object_lock_enabled && aws_s3_bucket_object_lock_configuration.main["audit"].rule[0].default_retention[0].mode == "COMPLIANCE" && aws_s3_bucket_object_lock_configuration.main["audit"].rule[0].default_retention[0].days == 365
    error_message = "The audit trail is not locked for as long as the application promises."
  }
}

run "erasure_reaches_old_versions_within_a_day" {
  command = plan
  assert {
    condition     = alltrue([for name in ["media", "keys"] : anytrue([for rule in aws_s3_bucket_lifecycle_configuration.main[name].rule : try(rule.noncurrent_version_expiration[0].noncurrent_days == 1, false)])])
    error_message = "An erased object lives on as an old version for more than a day."
  }
}

run "the_database_survives_a_zone_and_a_region" {
  command = plan
  assert {
    condition     = aws_db_instance.main.multi_az && aws_db_instance.main.storage_encrypted && !aws_db_instance.main.publicly_accessible && aws_db_instance.main.deletion_protection && aws_db_instance.main.backup_retention_period >= 7
    error_message = "The database is not as safe as promised."
  }
  assert {
    condition     = aws_db_instance.replica.multi_az && aws_db_instance.replica.storage_encrypted && aws_db_instance.replica.backup_retention_period >= 7
    error_message = "The replica would not be fit to take over."
  }
  assert {
    condition     = anytrue([for one in aws_db_parameter_group.main.parameter : one.name == "rds.force_ssl" && one.value == "1"])
    error_message = "Postgres takes connections without TLS."
  }
}

run "redis_is_sealed_and_fails_over" {
  command = plan
  assert {
    condition     = aws_elasticache_replication_group.main.at_rest_encryption_enabled && aws_elasticache_replication_group.main.transit_encryption_enabled && aws_elasticache_replication_group.main.automatic_failover_enabled
    error_message = "Redis is not as safe as promised."
  }
}

run "the_cluster_is_private" {
  command = plan
  assert {
    condition     = !aws_eks_cluster.main.vpc_config[0].endpoint_public_access && aws_eks_cluster.main.vpc_config[0].endpoint_private_access
    error_message = "The cluster's API can be asked from outside."
  }
  assert {
    condition     = length(aws_subnet.private) == 3 && alltrue([for one in aws_subnet.private : one.map_public_ip_on_launch != true])
    error_message = "Nodes are not in three private zones."
  }
  assert {
    condition     = aws_launch_template.web.metadata_options[0].http_tokens == "required" && aws_launch_template.web.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "A pod can ask the metadata service for its node's credentials."
  }
}

run "the_firewall_limits_rate_and_size" {
  command = plan
  assert {
    condition     = alltrue([for name in ["rate-of-an-address", "size-of-a-body", "AWSManagedRulesCommonRuleSet"] : contains([for rule in aws_wafv2_web_acl.main.rule : rule.name], name)])
    error_message = "The firewall lacks a rule."
  }
}

run "a_replica_in_the_same_region_is_refused" {
  command = plan
  variables {
    replica_region = "eu-central-1"
  }
  expect_failures = [var.replica_region]
}

run "an_unknown_environment_is_refused" {
  command = plan
  variables {
    environment = "prod"
  }
  expect_failures = [var.environment]
}

run "recovery_of_less_than_a_week_is_refused" {
  command = plan
  variables {
    database = { size = "db.m7g.large", disk_gb = 20, most_disk_gb = 40, recovery_days = 3 }
  }
  expect_failures = [var.database]
}

# Applied, all of it, against the mocks: what a plan leaves unknown is known here.
run "pods_get_what_they_need_and_nothing_else" {
  command = apply
  assert {
    condition     = alltrue([for name, role in aws_iam_role_policy.pods : !strcontains(role.policy, "\"Action\":\"*\"") && !strcontains(role.policy, "s3:*") && !strcontains(role.policy, "kms:*")])
    error_message = "A role may do anything."
  }
  assert {
    condition     = alltrue([for name in ["mlflow", "backup"] : !strcontains(aws_iam_role_policy.pods[name].policy, aws_s3_bucket.main["media"].arn)])
    error_message = "MLflow or the backup can read tenants' media."
  }
  assert {
    condition     = alltrue([for name, role in aws_iam_role_policy.pods : !strcontains(role.policy, "s3:DeleteObject") || !strcontains(role.policy, "${aws_s3_bucket.main["audit"].arn}/*") || name != "worker" || length(regexall("DeleteObject[^}]*audit", role.policy)) == 0])
    error_message = "The worker can delete the audit trail."
  }
  assert {
    condition     = alltrue([for name, role in aws_iam_role.pods : strcontains(role.assume_role_policy, "system:serviceaccount:")])
    error_message = "A role is not bound to a service account."
  }
}
