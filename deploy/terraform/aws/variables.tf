# The same in ../azure: an installation moves by another folder, not by other questions.

variable "environment" {
  description = "dev, staging or production; part of every name."
  type        = string
  validation {
    condition     = contains(["dev", "staging", "production"], var.environment)
    error_message = "environment is dev, staging or production."
  }
}

variable "region" {
  description = "Where the platform runs."
  type        = string
}

variable "replica_region" {
  description = "Where the replica of the database and the copies of buckets are."
  type        = string
  validation {
    condition     = var.replica_region != var.region
    error_message = "A replica in the same region is lost with it; name another replica_region."
  }
}

variable "network_cidr" {
  description = "The private network. The network policies in deploy/kubernetes name the same one."
  type        = string
  default     = "10.20.0.0/16"
}

variable "kubernetes_version" {
  description = "Of the cluster; deploy/check validates manifests against its schemas."
  type        = string
  default     = "1.32"
}

variable "cluster_admins" {
  description = "Identities (ARNs here, object ids of Entra groups on Azure) that administer the cluster; nobody else does."
  type        = list(string)
}

variable "web_pool" {
  description = "Nodes that serve and that hold controllers. Those of jobs come and go by themselves."
  type        = object({ size = string, least = number, most = number })
  default     = { size = "m7i.xlarge", least = 2, most = 6 }
}

variable "database" {
  description = "Postgres: machine, first and largest disk in GB, days of point-in-time recovery."
  type        = object({ size = string, disk_gb = number, most_disk_gb = number, recovery_days = number })
  default     = { size = "db.m7g.xlarge", disk_gb = 200, most_disk_gb = 2000, recovery_days = 14 }
  validation {
    condition     = var.database.recovery_days >= 7
    error_message = "Fewer than 7 days of point-in-time recovery do not outlast a long weekend."
  }
}

variable "redis_size" {
  description = "Machine of Redis."
  type        = string
  default     = "cache.t4g.medium"
}

variable "audit_retention_days" {
  description = "How long nobody, the account's owner included, can delete an exported audit trail."
  type        = number
  default     = 365
}

variable "request_limits" {
  description = "Of the firewall, before the API's own: requests of one address in 5 minutes; bytes of a body, but for bulk imports."
  type        = object({ per_address = number, body_bytes = number })
  default     = { per_address = 6000, body_bytes = 1048576 }
}

variable "alarm_topic" {
  description = "Where alarms of what is outside the cluster go: an SNS topic here, an action group on Azure."
  type        = string
}

variable "redis_password" {
  description = "Of Redis, 16 to 128 characters; give it as TF_VAR_redis_password and put the same into the secrets' store."
  type        = string
  sensitive   = true
}
