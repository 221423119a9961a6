"""What a sender of statements may do, and the settings that a reader's statements run under.

A setting of ClickHouse can name a file, a host or another dialect, and there are two thousand of them: a reader may
change those listed here and no other, and may tighten the caps, never loosen them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Role(Enum):
    """Who asks the node."""

    READER = "reader"
    """Reads the tables; neither the host nor the network is within reach."""
    ADMIN = "admin"
    """Whatever the engine can do."""


READER_LIMITS: Mapping[str, str] = {
    "max_execution_time": "300",
    "max_memory_usage": str(1024**3),
    "max_temporary_data_on_disk_size_for_query": str(4 * 1024**3),
}
"""Caps of one statement of a reader: seconds, bytes of memory, bytes spilled to disk."""

_CHOICES = {
    "readonly": frozenset({"1", "2"}),
    "timeout_overflow_mode": frozenset({"throw", "break"}),
}
_FREE = frozenset(
    {
        "max_threads", "max_block_size", "preferred_block_size_bytes", "max_result_rows", "max_result_bytes",
        "result_overflow_mode", "max_rows_to_read", "max_bytes_to_read", "read_overflow_mode", "max_rows_to_group_by",
        "group_by_overflow_mode", "max_rows_to_sort", "max_bytes_to_sort", "sort_overflow_mode", "max_rows_in_set",
        "max_rows_in_join", "max_bytes_in_join", "join_overflow_mode", "max_rows_in_distinct", "limit", "offset",
        "max_bytes_before_external_group_by", "max_bytes_before_external_sort", "max_bytes_ratio_before_external_sort",
        "max_bytes_ratio_before_external_group_by", "group_by_two_level_threshold", "priority",
        "group_by_two_level_threshold_bytes", "join_algorithm", "join_use_nulls", "join_default_strictness",
        "any_join_distinct_right_table_keys", "transform_null_in", "extremes", "totals_mode", "final",
        "aggregate_functions_null_for_empty", "group_by_use_nulls", "count_distinct_implementation",
        "prefer_column_name_to_alias", "use_uncompressed_cache", "use_skip_indexes", "use_skip_indexes_if_final",
        "use_query_condition_cache", "force_index_by_date", "force_primary_key", "force_data_skipping_indices",
        "ignore_data_skipping_indices", "short_circuit_function_evaluation", "compile_expressions",
        "compile_aggregate_expressions", "compile_sort_description", "read_in_order_two_level_merge_threshold",
        "optimize_read_in_order", "optimize_aggregation_in_order", "optimize_move_to_prewhere",
        "optimize_use_projections", "optimize_use_implicit_projections", "optimize_trivial_count_query",
        "query_plan_optimize_lazy_materialization", "query_plan_max_limit_for_lazy_materialization",
        "query_plan_join_swap_table", "max_streams_to_max_threads_ratio", "merge_tree_min_rows_for_concurrent_read",
        "merge_tree_min_bytes_for_concurrent_read", "min_bytes_to_use_direct_io", "session_timezone",
        "date_time_input_format", "date_time_output_format", "cast_keep_nullable", "log_comment", "log_queries",
        "cast_string_to_dynamic_use_inference", "cast_string_to_variant_use_inference", "allow_experimental_json_type",
        "allow_experimental_object_type", "allow_experimental_variant_type", "allow_experimental_dynamic_type",
        "enable_json_type", "enable_time_time64_type", "decimal_check_overflow", "connect_timeout", "receive_timeout",
        "send_timeout", "max_network_bandwidth", "interactive_delay", "use_client_time_zone",
        "format_csv_delimiter", "format_csv_null_representation", "format_tsv_null_representation",
        "format_custom_field_delimiter", "bool_true_representation", "bool_false_representation",
        "network_compression_method", "network_zstd_compression_level", "low_cardinality_allow_in_native_format",
    }
)  # fmt: skip
_FREE_PREFIX = "output_format_"
# Writes the schema that it derives into a file of the host.
_NOT_FREE = frozenset({"output_format_schema"})


def objection(name: str, value: str | None) -> str:
    """Why a reader may not change a setting; '' where it may.

    Args:
        name: of the setting.
        value: as text, None where it is no literal or puts the default back.
    """
    if name in READER_LIMITS:
        return "" if _within(value, float(READER_LIMITS[name])) else f"may be 1 to {READER_LIMITS[name]}"
    if name in _CHOICES:
        return "" if value in _CHOICES[name] else f"may be {' or '.join(sorted(_CHOICES[name]))}"
    if name in _FREE or (name.startswith(_FREE_PREFIX) and name not in _NOT_FREE):
        return ""
    return "is not for a reader to change"


def _within(value: str | None, most: float) -> bool:
    try:
        return value is not None and 0 < float(value) <= most
    except ValueError:
        return False
