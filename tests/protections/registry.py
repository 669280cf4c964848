"""The protection against each fault, and a test that must fail without it."""

from typing import NamedTuple


class Protection(NamedTuple):
    row: int
    """Row in the list of faults."""
    fault: str
    mutation: str
    """Name in `protections.mutations`; its docstring says what happens without the protection."""
    test: str
    options: tuple[str, ...] = ()


def _seed(number: int) -> tuple[str, ...]:
    """A seed of the fault suite with which the kill hits the code that the protection covers."""
    return (f"--chaos-seed={number}",)


_FAULTS, _SERVICES, _UNIT = "tests/faults", "tests/services", "tests/unit"

PROTECTIONS = (
    Protection(
        1,
        "broker killed while producing",
        "non_transactional_producer",
        f"{_SERVICES}/test_traffic.py::test_killed_at_every_failpoint_a_run_ends_with_neither_gap_nor_duplicate",
    ),
    Protection(
        1,
        "broker killed while fetching",
        "landed_offsets_ignored",
        f"{_FAULTS}/test_services.py::test_broker_killed_while_fetching",
        _seed(1),
    ),
    Protection(
        2,
        "NameNode killed",
        "landed_offsets_ignored",
        f"{_FAULTS}/test_services.py::test_namenode_killed_before_during_and_after_a_commit",
        _seed(1),
    ),
    Protection(
        3,
        "DataNode frozen",
        "landed_offsets_ignored",
        f"{_FAULTS}/test_services.py::test_datanode_frozen_while_writing",
        _seed(1),
    ),
    Protection(
        3,
        "a dead writer leaves its lease",
        "stale_commits_kept",
        f"{_SERVICES}/test_stale_commits.py::test_the_file_of_a_killed_writer_is_deleted_before_the_next_commit",
    ),
    Protection(
        4, "landing killed", "no_offsets_in_commits", f"{_FAULTS}/test_landing.py::test_killed_at_every_point"
    ),
    Protection(
        4, "landing killed", "offsets_before_rows", f"{_FAULTS}/test_landing.py::test_killed_at_every_point"
    ),
    Protection(
        5,
        "Spark driver killed",
        "non_atomic_kpi_writes",
        f"{_FAULTS}/test_spark_driver.py::test_killed_at_every_point",
        _seed(4),
    ),
    Protection(
        5,
        "Sail killed while it computes",
        "failure_of_the_engine_ignored",
        f"{_FAULTS}/test_engine.py::test_spark_submit_goes_on[killed]",
    ),
    Protection(
        25,
        "a query for a file of the user, sent to Sail",
        "sail_reads_any_file",
        f"{_SERVICES}/test_sail.py::test_a_query_cannot_read_the_files_of_its_user",
    ),
    Protection(
        6,
        "a task that sends alerts killed",
        "messages_marked_sent_too_early",
        f"{_SERVICES}/test_alerts.py::test_a_killed_run_sends_everything_on_retry_and_repeats_at_most_once",
    ),
    Protection(
        6,
        "a scheduler that died stays dead",
        "dead_services_stay_dead",
        f"{_SERVICES}/test_restarts.py::test_a_service_is_restarted_each_time_it_ends_and_a_stopped_one_is_not",
    ),
    Protection(
        6,
        "a service died and was back before the next check",
        "restarted_services_are_not_reported",
        f"{_SERVICES}/test_restarts.py::test_the_monitor_reports_the_end_also_of_a_service_that_is_back_already",
    ),
    Protection(
        7,
        "the same run twice",
        "landed_offsets_ignored",
        f"{_FAULTS}/test_landing.py::test_a_second_run_commits_nothing",
    ),
    Protection(
        7, "two runs at once", "no_offsets_in_commits", f"{_FAULTS}/test_landing.py::test_two_runs_at_once"
    ),
    Protection(
        8,
        "an old day rebuilt",
        "rebuilds_always_commit",
        f"{_SERVICES}/test_rebuild.py::test_an_intact_day_is_left_alone_and_a_damaged_day_is_restored",
    ),
    Protection(
        9,
        "bad records",
        "bad_records_accepted",
        f"{_FAULTS}/test_topics.py::test_bad_records_are_kept_and_replayed_once",
    ),
    Protection(
        9,
        "too many bad records",
        "invalid_records_not_alerted",
        f"{_UNIT}/alerts/test_invalid_records.py::test_an_alert_names_topic_producer_reasons_and_samples",
    ),
    Protection(
        10,
        "unread records expire",
        "data_loss_ignored",
        f"{_FAULTS}/test_topics.py::test_retention_removes_unread_records",
    ),
    Protection(
        11,
        "topic recreated",
        "topics_identified_by_name",
        f"{_FAULTS}/test_topics.py::test_topic_deleted_and_created_again",
    ),
    Protection(
        12,
        "partitions added",
        "new_partitions_read_from_high_watermark",
        f"{_FAULTS}/test_topics.py::test_partitions_added",
    ),
    Protection(
        13,
        "transactions aborted",
        "aborted_records_read",
        f"{_FAULTS}/test_topics.py::test_aborted_transactions",
    ),
    Protection(
        14,
        "late events",
        "events_dated_by_processing_time",
        f"{_SERVICES}/spark/test_events.py::test_times_equal_those_that_landing_decoded",
    ),
    Protection(
        15,
        "incompatible records",
        "incompatible_records_accepted",
        f"{_SERVICES}/test_schema_versions.py::test_compatible_records_evolve_the_tables_and_others_are_quarantined",
    ),
    Protection(
        16,
        "compaction that writes other rows",
        "compacted_files_not_verified",
        f"{_SERVICES}/test_compaction.py::test_rejects_new_files_that_do_not_hold_the_rows_read",
    ),
    Protection(
        16,
        "two compactions at once",
        "file_swap_without_conflict_check",
        f"{_SERVICES}/test_compaction.py::test_concurrent_commits_are_neither_lost_nor_undone",
    ),
    Protection(
        17,
        "one event after an idle period",
        "small_batches_deferred",
        f"{_FAULTS}/test_topics.py::test_idle_topic_then_one_event",
    ),
    Protection(
        18,
        "mail down",
        "messages_marked_sent_too_early",
        f"{_SERVICES}/test_alerts.py::test_an_unreachable_mail_server_loses_nothing_and_does_not_delay_slack",
    ),
    Protection(
        19,
        "disk full under the DataNode",
        "raw_hdfs_errors",
        f"{_FAULTS}/test_disks.py::test_full_disk_under_the_datanode",
    ),
    Protection(
        20,
        "landing frozen past another run's commit",
        "no_offsets_in_commits",
        f"{_FAULTS}/test_landing.py::test_frozen_past_the_commit_of_another_run",
    ),
    Protection(
        23,
        "a transaction left open",
        "held_back_records_ignored",
        f"{_SERVICES}/test_hidden_records.py::test_records_behind_an_open_transaction_are_counted_and_not_landed",
    ),
    Protection(
        23,
        "events sent behind an open transaction",
        "held_back_events_fail",
        f"{_SERVICES}/test_hidden_records.py::test_events_sent_behind_an_open_transaction_are_reported_as_sent",
    ),
    Protection(
        24,
        "a NUL in a delivery note",
        "note_bytes_not_checked",
        f"{_UNIT}/restock/test_delivery_note.py::test_problems_are_reported",
    ),
    Protection(
        24,
        "a delivery note whose number is typed in another way",
        "notes_identified_by_spelling",
        f"{_UNIT}/restock/test_service.py::test_a_note_is_known_by_its_number_in_every_spelling",
    ),
    Protection(
        24,
        "a delivery note with a long name",
        "archive_names_not_shortened",
        f"{_UNIT}/restock/test_service.py::test_a_file_with_a_long_name_is_filed_with_its_reason",
    ),
    Protection(
        24,
        "two large delivery notes of the same name and start",
        "large_files_identified_by_their_start",
        f"{_UNIT}/restock/test_service.py::test_two_large_files_of_one_name_and_start_are_both_kept",
    ),
    Protection(
        24,
        "a NUL in a rejected event of a batch",
        "control_characters_reported",
        f"{_UNIT}/submission/test_validation.py::test_the_report_has_no_character_that_a_database_refuses",
    ),
    Protection(
        24,
        "an Origin that is no URL",
        "origins_parsed_as_urls",
        f"{_UNIT}/tab/test_hostile_requests.py::test_an_origin_that_is_no_url_is_refused",
    ),
    Protection(
        24,
        "a large body before the login",
        "bodies_of_any_size",
        f"{_UNIT}/test_request_limits.py::test_a_larger_body_is_refused_before_it_is_read",
    ),
    Protection(
        24,
        "a request id of another request",
        "request_ids_of_other_requests_accepted",
        f"{_SERVICES}/test_tab.py::test_request_id_of_another_request_is_refused",
    ),
    Protection(
        24,
        "a target that is no URL, sent to the Slack server",
        "slack_server_parses_targets_as_urls",
        f"{_UNIT}/local_stack/test_webhook_server.py::test_hostile_request_is_answered",
    ),
    Protection(
        24,
        "a target that is no URL, sent to the exporter",
        "exporter_parses_targets_as_urls",
        f"{_UNIT}/cluster/test_metrics.py::test_exporter_is_healthy_without_reading_a_source",
    ),
    Protection(
        27,
        "topic compacted before landing",
        "gaps_of_compacted_topics_are_markers",
        f"{_SERVICES}/test_hidden_records.py::test_what_compaction_removed_before_landing_is_a_possible_loss",
    ),
    Protection(
        9,
        "amounts that contradict each other",
        "contradictory_amounts_accepted",
        f"{_UNIT}/test_meaning.py::test_the_problem_names_field_value_and_what_is_right",
    ),
    Protection(
        9,
        "control characters in ids and names",
        "control_characters_accepted",
        f"{_UNIT}/test_meaning.py::test_the_problem_names_field_value_and_what_is_right",
    ),
    Protection(
        9,
        "ids that are no UUIDv7",
        "other_ids_accepted",
        f"{_UNIT}/test_meaning.py::test_the_problem_names_field_value_and_what_is_right",
    ),
    Protection(
        9,
        "a hostile record among plain ones",
        "every_record_screened_as_plain",
        f"{_UNIT}/test_screening.py::test_any_change_is_found_among_plain_records",
    ),
    Protection(
        9,
        "deeply nested records",
        "depth_limited_by_the_stack",
        f"{_UNIT}/test_framing.py::test_the_depth_limit_does_not_depend_on_the_stack_of_the_caller",
    ),
    Protection(
        9,
        "texts that look like an error message",
        "reasons_forged_by_texts",
        f"{_UNIT}/test_validation.py::test_a_text_neither_forges_the_reason_nor_fills_the_problem",
    ),
    Protection(
        22,
        "events of the future",
        "future_events_accepted",
        f"{_UNIT}/test_meaning.py::test_an_event_of_the_future_is_valid_once_its_time_has_come",
    ),
    Protection(
        22,
        "a report of a day before 1970",
        "negative_timestamps_requested",
        f"{_SERVICES}/test_submission.py::test_only_batches_since_the_given_time_are_searched",
    ),
    Protection(
        22,
        "rows of a clock that is ahead",
        "rows_of_the_future_observed",
        f"{_UNIT}/alerts/test_collect.py::test_rows_of_the_future_are_not_the_newest",
    ),
    Protection(
        26,
        "times finer than milliseconds",
        "times_rounded",
        f"{_UNIT}/test_meaning.py::test_times_are_truncated_to_milliseconds_in_utc",
    ),
    Protection(
        26,
        "framed events",
        "framings_not_read",
        f"{_UNIT}/test_framing.py::test_a_framed_event_is_read_and_its_json_is_the_payload",
    ),
    Protection(
        26,
        "other spellings of the same value",
        "spellings_kept",
        f"{_UNIT}/test_meaning.py::test_canonical_values_replace_other_spellings",
    ),
    Protection(
        26,
        "erasure of ids written with escapes",
        "escaped_ids_not_erased",
        f"{_SERVICES}/test_hostile_records.py::test_erasure_finds_an_id_however_it_is_written",
    ),
    Protection(
        26,
        "short records with more than 500 brackets",
        "short_records_not_checked_for_depth",
        f"{_UNIT}/test_validation.py::test_brackets_that_are_never_closed_are_too_deep",
    ),
    Protection(
        26,
        "deep JSON in base64",
        "sizes_in_base64_not_checked",
        f"{_UNIT}/test_framing.py::test_sizes_are_checked_within_base64",
    ),
    Protection(
        26,
        "a record whose problem cannot be described",
        "errors_in_descriptions_raised",
        f"{_UNIT}/test_validation.py::test_an_unforeseen_error_affects_only_its_record",
    ),
    Protection(
        26,
        "a record of many escaped quotes",
        "long_names_found_by_backtracking",
        f"{_UNIT}/test_validation.py::test_the_largest_records_have_a_bounded_cost",
    ),
    Protection(
        26,
        "an order id of two customers in raw",
        "orders_erased_by_their_id_alone",
        f"{_UNIT}/lake/test_redaction.py::test_records_that_name_another_customer_stay",
    ),
    Protection(
        26,
        "an order id of two customers in the events",
        "orders_erased_by_their_id_alone",
        f"{_UNIT}/lake/test_redaction.py::test_events_that_name_another_customer_stay",
    ),
    Protection(
        21,
        "a bit flipped in a file of raw",
        "damaged_bytes_accepted",
        f"{_SERVICES}/test_damage.py::test_a_damaged_data_file_is_named_with_its_rows",
    ),
    Protection(
        21,
        "a truncated file met by verify",
        "damage_ends_verify",
        f"{_SERVICES}/test_damage.py::test_verify_goes_on_with_its_other_checks",
    ),
    Protection(
        21,
        "a line separator in a text of an intact commit",
        "commits_split_at_any_separator",
        f"{_UNIT}/lake/test_log_integrity.py::test_line_separators_in_statistics_are_no_damage",
    ),
    Protection(
        26,
        "erasure of ids in encoded headers",
        "hidden_texts_of_headers_not_read",
        f"{_UNIT}/lake/test_redaction.py::test_headers_that_hide_the_customer_are_erased",
    ),
    Protection(
        21,
        "records gone from Kafka when a file is repaired",
        "restored_rows_not_compared",
        f"{_SERVICES}/test_damage.py::test_what_kafka_no_longer_has_is_recorded_as_lost",
    ),
)
