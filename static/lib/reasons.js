// Why a chunk was not accepted, in words, with what to do about it. The words are those of
// the task (docs/API.md).

/** @type {Record<string, string>} */
const reasons = {
  profiling_invalid_json: "Not JSON, or a field of another type than it should be.",
  profiling_invalid_base64_value: "The profile inside is not base64.",
  profiling_invalid_sampled_profile: "The Android trace inside cannot be read.",
  profiling_not_enough_samples: "A thread needs two samples at least: profile for longer.",
  profiling_platform_not_supported: "This platform is not known here.",
  profiling_no_transaction_associated: "A profile of version 1 names no transaction: set traces_sample_rate.",
  profiling_invalid_transaction_metadata: "The transaction has no id, or an empty trace.",
  profiling_invalid_profile_metadata: "The id of the profile or of the profiler is missing, or none.",
  profiling_malformed_stacks: "A stack names a frame that is not there.",
  profiling_malformed_samples: "A sample names a stack that is not there, or a time that is none.",
  profiling_exceed_size_limit: "Larger than is taken (docs/LIMITS.md).",
  profiling_too_many_profiles: "More profiles in one envelope than may be.",
  profiling_duration_is_too_long: "It spans more time than a chunk may.",
  profiling_duration_is_zero: "It begins and ends at the same time.",
  profiling_invalid_profile_type: "Another kind of profile than its item says.",
  profiling_failed_serialization: "It could not be stored again after processing.",
  profiling_failed_symbolication: "Finding names for it failed each time.",
  profiling_failed_normalization: "Putting its frames in order failed each time.",
};

/** @param {string|null} reason @returns {string} "" for one that says it itself */
export function explainReason(reason) {
  return reasons[reason ?? ""] ?? "";
}
