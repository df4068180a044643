"""Tables that are accepted and checked but not acted on (config-and-commands.md 1.3, 1.5, 1.11, 1.12).

A config.toml that gitlab-runner reads must be read here too, and one that it refuses for a wrong
type must be refused. A table is a mapping of key to kind: a type, one of :mod:`pyrunner.config.kinds`,
or a nested table; a list with one table in it stands for an array of tables.
"""

from __future__ import annotations

from typing import Any, Final

from pyrunner.config.kinds import Duration, StringOrList

Table = dict[str, Any]

_LABELS: Final = dict[str, str]


def _keys(kind: Any, names: str) -> Table:
    """Return a table in which each of ``names`` (separated by spaces) is of ``kind``."""
    return dict.fromkeys(names.split(), kind)


REFEREES: Final[Table] = {
    "metrics": {"prometheus_address": str, "query_interval": int, "queries": list[str]},
}

RUNNER_EXPERIMENTAL: Final[Table] = {
    "boot_verify": {
        "enabled": bool,
        **_keys(Duration, "timeout acquire_min_backoff acquire_max_backoff"),
    },
}

INSTANCE: Final[Table] = {"allowed_images": list[str], "use_common_build_dir": bool}

PARALLELS: Final[Table] = {
    **_keys(str, "base_name template_name time_server"),
    "disable_snapshots": bool,
    "allowed_images": list[str],
}

VIRTUALBOX: Final[Table] = {
    **_keys(str, "base_name base_snapshot base_folder start_type"),
    "disable_snapshots": bool,
    "allowed_images": list[str],
}

MACHINE: Final[Table] = {
    **_keys(int, "MaxGrowthRate IdleCount IdleCountMin IdleTime MaxBuilds MaxRemovalAttempts"),
    **_keys(int, "OffPeakIdleCount OffPeakIdleTime"),
    **_keys(str, "MachineDriver MachineName OffPeakTimezone"),
    **_keys(list[str], "MachineOptions MachineOptionsWithName OffPeakPeriods"),
    "IdleScaleFactor": float,
    "autoscaling": [
        {
            **_keys(int, "IdleCount IdleCountMin IdleTime"),
            "Periods": list[str],
            "Timezone": str,
            "IdleScaleFactor": float,
        }
    ],
}

_AUTOSCALER_POLICY: Final[Table] = {
    "periods": list[str],
    "timezone": str,
    **_keys(int, "idle_count scale_factor_limit"),
    "idle_time": Duration,
    "scale_factor": float,
    "preemptive_mode": bool,
}

_CONNECTOR: Final[Table] = {
    **_keys(str, "os arch protocol username password key_path"),
    "protocol_port": int,
    **_keys(bool, "use_static_credentials use_external_addr"),
    **_keys(Duration, "keepalive timeout"),
}

AUTOSCALER: Final[Table] = {
    **_keys(int, "capacity_per_instance max_use_count max_instances"),
    **_keys(int, "shutdown_deletion_retries failure_threshold"),
    **_keys(str, "plugin instance_ready_command"),
    "plugin_config": dict[str, Any],
    "connector_config": _CONNECTOR,
    "policy": [_AUTOSCALER_POLICY],
    **_keys(Duration, "instance_acquire_timeout update_interval update_interval_when_expecting"),
    **_keys(Duration, "deletion_retry_interval shutdown_deletion_interval"),
    "scale_throttle": {"limit": int, "burst": int},
    **_keys(bool, "reservation_throttling log_internal_ip log_external_ip delete_instances_on_shutdown"),
    "vm_isolation": {
        "enabled": bool,
        **_keys(str, "nesting_host image"),
        "nesting_config": dict[str, Any],
        "connector_config": _CONNECTOR,
    },
    "state_storage": {"enabled": bool, "dir": str, "keep_instance_with_acquisitions": bool},
    **_keys(list[float], "instance_operation_time_buckets instance_creation_time_buckets"),
    **_keys(list[float], "instance_is_running_time_buckets instance_deletion_time_buckets"),
    **_keys(list[float], "instance_readiness_time_buckets instance_life_duration_buckets"),
}

GLOBAL_MACHINE: Final[Table] = {
    "shutdown_drain": {
        "enabled": bool,
        **_keys(int, "concurrency max_retries"),
        "retry_backoff": Duration,
    },
}

_LOGROTATE: Final[Table] = {
    "log_dir": str,
    "max_backup_files": int,
    "max_rotation_age": Duration,
    "labels": _LABELS,
}

GLOBAL_EXPERIMENTAL: Final[Table] = {
    "usage_logger": {
        "enabled": bool,
        "writers": list[str],
        **_LOGROTATE,
        "logrotate": _LOGROTATE,
        "snowplow_billing": {
            **_keys(str, "collector_uri app_id category realm deployment_type"),
            "metadata": _LABELS,
            "batch_delivery_duration_buckets": list[float],
            **_keys(bool, "enable_oidc skip_oidc_if_unsupported_cloud skip_runner_system_failure"),
        },
    },
}


def _resources(prefix: str, *resources: str) -> Table:
    """Return limit and request of each resource, each also with its overwrite bound."""
    return {
        f"{prefix}{resource}_{bound}{suffix}": str
        for resource in resources
        for bound in ("limit", "request")
        for suffix in ("", "_overwrite_max_allowed")
    }


_PROFILE: Final[Table] = {"type": str, "localhost_profile": str}

_CONTAINER_SECURITY: Final[Table] = {
    "capabilities": {"add": list[str], "drop": list[str]},
    **_keys(bool, "privileged run_as_non_root read_only_root_filesystem allow_privilege_escalation"),
    **_keys(int, "run_as_user run_as_group"),
    **_keys(str, "selinux_type proc_mount"),
    "seccomp_profile": _PROFILE,
    "app_armor_profile": _PROFILE,
}

_POD_SECURITY: Final[Table] = {
    **_keys(int, "fs_group run_as_group run_as_user"),
    "run_as_non_root": bool,
    "supplemental_groups": list[int],
    "selinux_type": str,
    "seccomp_profile": _PROFILE,
    "app_armor_profile": _PROFILE,
}

_REQUIREMENTS: Final = [{"key": str, "operator": str, "values": list[str]}]
_NODE_TERM: Final[Table] = {"match_expressions": _REQUIREMENTS, "match_fields": _REQUIREMENTS}
_LABEL_SELECTOR: Final[Table] = {"match_labels": _LABELS, "match_expressions": _REQUIREMENTS}
_POD_TERM: Final[Table] = {
    "label_selector": _LABEL_SELECTOR,
    "namespace_selector": _LABEL_SELECTOR,
    "topology_key": str,
    **_keys(list[str], "namespaces match_label_keys mismatch_label_keys"),
}
_REQUIRED: Final = "required_during_scheduling_ignored_during_execution"
_PREFERRED: Final = "preferred_during_scheduling_ignored_during_execution"
_POD_AFFINITY: Final[Table] = {
    _REQUIRED: [_POD_TERM],
    _PREFERRED: [{"weight": int, "pod_affinity_term": _POD_TERM}],
}
_AFFINITY: Final[Table] = {
    "node_affinity": {
        _REQUIRED: {"node_selector_terms": [_NODE_TERM]},
        _PREFERRED: [{"weight": int, "preference": _NODE_TERM}],
    },
    "pod_affinity": _POD_AFFINITY,
    "pod_anti_affinity": _POD_AFFINITY,
}

_MOUNT: Final[Table] = _keys(str, "name mount_path sub_path")
_VOLUMES: Final[Table] = {
    "host_path": [{**_MOUNT, "read_only": bool, **_keys(str, "host_path mount_propagation")}],
    "pvc": [{**_MOUNT, "read_only": bool, "mount_propagation": str}],
    "config_map": [{**_MOUNT, "read_only": bool, "items": _LABELS}],
    "secret": [{**_MOUNT, "read_only": bool, "items": _LABELS}],
    "empty_dir": [{**_MOUNT, **_keys(str, "medium size_limit mount_propagation")}],
    "csi": [{**_MOUNT, "read_only": bool, **_keys(str, "driver fs_type"), "volume_attributes": _LABELS}],
    "nfs": [{**_MOUNT, "read_only": bool, **_keys(str, "server path")}],
}

_HANDLER: Final[Table] = {
    "exec": {"command": list[str]},
    "http_get": {
        **_keys(str, "host path scheme"),
        "port": int,
        "http_headers": [{"name": str, "value": str}],
    },
    "tcp_socket": {"host": str, "port": int},
}

_SERVICE: Final[Table] = {
    **_keys(str, "name alias suspend_data_path"),
    **_keys(list[str], "command entrypoint environment"),
}

KUBERNETES: Final[Table] = {
    **_keys(str, "host context cert_file key_file ca_file bearer_token"),
    **_keys(str, "image namespace namespace_overwrite_allowed runtime_class_name"),
    **_keys(bool, "bearer_token_overwrite_allowed namespace_per_job privileged allow_privilege_escalation"),
    **_resources("", "cpu", "memory", "ephemeral_storage"),
    **_resources("service_", "cpu", "memory", "ephemeral_storage"),
    **_resources("helper_", "cpu", "memory", "ephemeral_storage"),
    **_resources("pod_", "cpu", "memory"),
    "pull_policy": StringOrList,
    **_keys(list[str], "allowed_images allowed_pull_policies allowed_services allowed_users allowed_groups"),
    **_keys(list[str], "image_pull_secrets cap_add cap_drop"),
    **_keys(str, "helper_image helper_image_flavor priority_class_name scheduler_name"),
    **_keys(bool, "use_service_account_image_pull_secrets helper_image_autoset_arch_and_os"),
    **_keys(_LABELS, "node_selector node_tolerations pod_labels pod_annotations"),
    **_keys(str, "node_selector_overwrite_allowed node_tolerations_overwrite_allowed"),
    **_keys(str, "pod_labels_overwrite_allowed pod_annotations_overwrite_allowed"),
    **_keys(str, "service_account service_account_overwrite_allowed"),
    "automount_service_account_token": bool,
    "affinity": _AFFINITY,
    "pod_security_context": _POD_SECURITY,
    "init_permissions_container_security_context": _CONTAINER_SECURITY,
    "build_container_security_context": _CONTAINER_SECURITY,
    "helper_container_security_context": _CONTAINER_SECURITY,
    "service_container_security_context": _CONTAINER_SECURITY,
    "volumes": _VOLUMES,
    "host_aliases": [{"ip": str, "hostnames": list[str]}],
    "services": [_SERVICE],
    "dns_policy": str,
    "dns_config": {
        **_keys(list[str], "nameservers searches"),
        "options": [{"name": str, "value": str}],
    },
    **_keys(int, "pod_termination_grace_period_seconds cleanup_grace_period_seconds"),
    "cleanup_resources_timeout": Duration,
    **_keys(int, "poll_interval poll_timeout resource_availability_check_max_attempts"),
    **_keys(int, "retry_limit retry_backoff_max"),
    "retry_limits": dict[str, int],
    "container_lifecycle": {"post_start": _HANDLER, "pre_stop": _HANDLER},
    **_keys(bool, "pod_disruption_budget print_pod_warning_events"),
    "pod_spec": [_keys(str, "name patch_path patch patch_type")],
    **_keys(str, "logs_base_dir scripts_base_dir suspend_pvc_size suspend_pvc_storage_class"),
    "autoscaler": {
        "max_pause_pods": int,
        **_keys(str, "pause_pod_image pause_pod_priority_class_name"),
        "policy": [_AUTOSCALER_POLICY],
        "pause_pod_image_pull_secrets": list[str],
    },
}
