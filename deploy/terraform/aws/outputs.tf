# What an overlay of deploy/kubernetes names.

output "cluster" {
  value = aws_eks_cluster.main.name
}

output "database_host" {
  value = aws_db_instance.main.address
}

output "replica_host" {
  value = aws_db_instance.replica.address
}

output "database_administrator" {
  description = "The secret with the administrator's password, for provision-database."
  value       = aws_db_instance.main.master_user_secret[0].secret_arn
}

output "redis_host" {
  value = aws_elasticache_replication_group.main.primary_endpoint_address
}

output "buckets" {
  value = { for name, bucket in aws_s3_bucket.main : name => "s3://${bucket.id}" }
}

output "roles" {
  value = { for name, role in aws_iam_role.pods : name => role.arn }
}

output "firewall" {
  value = aws_wafv2_web_acl.main.arn
}

output "registries" {
  value = { for name, repository in aws_ecr_repository.images : name => repository.repository_url }
}
