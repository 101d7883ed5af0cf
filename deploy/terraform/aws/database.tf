# Postgres in two zones, with point-in-time recovery, and a replica in the other region that can be promoted.

resource "aws_db_subnet_group" "main" {
  name       = local.name
  subnet_ids = aws_subnet.private[*].id
}

resource "aws_db_parameter_group" "main" {
  name   = "${local.name}-17"
  family = "postgres17"
  dynamic "parameter" {
    for_each = {
      "rds.force_ssl"                       = "1"
      "ssl_min_protocol_version"            = "TLSv1.3"
      "log_connections"                     = "1"
      "log_disconnections"                  = "1"
      "log_statement"                       = "ddl"
      "log_min_duration_statement"          = "1000"
      "idle_in_transaction_session_timeout" = "60000"
    }
    content {
      name  = parameter.key
      value = parameter.value
    }
  }
  lifecycle { create_before_destroy = true }
}

resource "aws_db_instance" "main" {
  #checkov:skip=CKV2_AWS_69:rds.force_ssl is in aws_db_parameter_group.main, in a dynamic block, which is not followed
  identifier                          = local.name
  engine                              = "postgres"
  engine_version                      = "17"
  auto_minor_version_upgrade          = true
  instance_class                      = var.database.size
  allocated_storage                   = var.database.disk_gb
  max_allocated_storage               = var.database.most_disk_gb
  storage_type                        = "gp3"
  storage_encrypted                   = true
  kms_key_id                          = aws_kms_key.data.arn
  multi_az                            = true
  username                            = "administrator"
  manage_master_user_password         = true
  master_user_secret_kms_key_id       = aws_kms_key.data.arn
  iam_database_authentication_enabled = true
  parameter_group_name                = aws_db_parameter_group.main.name
  db_subnet_group_name                = aws_db_subnet_group.main.name
  vpc_security_group_ids              = [aws_security_group.inside.id]
  publicly_accessible                 = false
  ca_cert_identifier                  = "rds-ca-rsa2048-g1"
  backup_retention_period             = var.database.recovery_days
  backup_window                       = "01:00-02:00"
  maintenance_window                  = "sun:03:00-sun:04:00"
  copy_tags_to_snapshot               = true
  deletion_protection                 = true
  skip_final_snapshot                 = false
  final_snapshot_identifier           = "${local.name}-final"
  performance_insights_enabled        = true
  performance_insights_kms_key_id     = aws_kms_key.data.arn
  monitoring_interval                 = 15
  monitoring_role_arn                 = aws_iam_role.monitoring.arn
  enabled_cloudwatch_logs_exports     = ["postgresql", "upgrade"]
}

resource "aws_db_parameter_group" "replica" {
  provider = aws.replica
  name     = "${local.name}-17"
  family   = "postgres17"
  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
}

resource "aws_db_instance" "replica" {
  #checkov:skip=CKV2_AWS_69:rds.force_ssl is in aws_db_parameter_group.replica
  provider                            = aws.replica
  identifier                          = "${local.name}-replica"
  replicate_source_db                 = aws_db_instance.main.arn
  instance_class                      = var.database.size
  max_allocated_storage               = var.database.most_disk_gb
  storage_encrypted                   = true
  kms_key_id                          = aws_kms_key.replica.arn
  multi_az                            = true
  iam_database_authentication_enabled = true
  auto_minor_version_upgrade          = true
  parameter_group_name                = aws_db_parameter_group.replica.name
  publicly_accessible                 = false
  backup_retention_period             = var.database.recovery_days # a promoted replica is backed up from its first minute
  copy_tags_to_snapshot               = true
  deletion_protection                 = true
  skip_final_snapshot                 = false
  final_snapshot_identifier           = "${local.name}-replica-final"
  performance_insights_enabled        = true
  performance_insights_kms_key_id     = aws_kms_key.replica.arn
  monitoring_interval                 = 15
  monitoring_role_arn                 = aws_iam_role.monitoring.arn
  enabled_cloudwatch_logs_exports     = ["postgresql", "upgrade"]
}

resource "aws_iam_role" "monitoring" {
  name = "${local.name}-database-monitoring"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "monitoring.rds.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  role       = aws_iam_role.monitoring.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

# How far the replica is behind is how much a failover would lose.
resource "aws_cloudwatch_metric_alarm" "replica_lag" {
  provider            = aws.replica
  alarm_name          = "${local.name}-replica-lag"
  alarm_description   = "The replica is more than 60 s behind: a failover now would lose that much"
  namespace           = "AWS/RDS"
  metric_name         = "ReplicaLag"
  dimensions          = { DBInstanceIdentifier = aws_db_instance.replica.identifier }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 3
  threshold           = 60
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "breaching"
}

resource "aws_cloudwatch_metric_alarm" "database_disk" {
  alarm_name          = "${local.name}-database-disk"
  alarm_description   = "Less than 10 GB are free"
  namespace           = "AWS/RDS"
  metric_name         = "FreeStorageSpace"
  dimensions          = { DBInstanceIdentifier = aws_db_instance.main.identifier }
  statistic           = "Minimum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 10737418240
  comparison_operator = "LessThanThreshold"
  alarm_actions       = [var.alarm_topic]
}

resource "aws_elasticache_subnet_group" "main" {
  name       = local.name
  subnet_ids = aws_subnet.private[*].id
}

resource "aws_elasticache_replication_group" "main" {
  replication_group_id       = local.name
  description                = "Live progress and rate limits; may be lost"
  engine                     = "valkey"
  engine_version             = "8.0"
  node_type                  = var.redis_size
  num_cache_clusters         = 2
  automatic_failover_enabled = true
  multi_az_enabled           = true
  at_rest_encryption_enabled = true
  kms_key_id                 = aws_kms_key.data.arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  user_group_ids             = [aws_elasticache_user_group.main.id]
  subnet_group_name          = aws_elasticache_subnet_group.main.name
  security_group_ids         = [aws_security_group.inside.id]
}

# Pods sign in with a password from the secrets' store; `default`, who would need none, is off.
resource "aws_elasticache_user" "default" {
  user_id       = "${local.name}-default"
  user_name     = "default"
  engine        = "valkey"
  access_string = "off -@all"
  authentication_mode { type = "no-password-required" }
}

resource "aws_elasticache_user" "application" {
  user_id       = "${local.name}-application"
  user_name     = "clip-platform"
  engine        = "valkey"
  access_string = "on ~* &* +@all -@dangerous +info"
  authentication_mode {
    type      = "password"
    passwords = [var.redis_password]
  }
}

resource "aws_elasticache_user_group" "main" {
  user_group_id = local.name
  engine        = "valkey"
  user_ids      = [aws_elasticache_user.default.user_id, aws_elasticache_user.application.user_id]
}
