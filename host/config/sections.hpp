// The config's sections: all tables of names.
#pragma once

#include "config/field.hpp"

namespace perch {

/// The whole file.
const Section<Config>& config_section();
const Section<Config>& host_section();
const Section<Config>& log_section();
const Section<tree::StoreOptions>& arena_section();
const Section<ingest::IngestSpec>& commit_section();
const Section<ControlSpec>& control_section();

const Section<tables::TableSpec>& table_section();
const Section<tables::FieldSpec>& field_section();
const Section<tables::RetainSpec>& retain_section();
const Section<tables::RollupSpec>& rollup_section();
const Section<tables::GroupSpec>& bucket_section();

const Section<ingest::SourceSpec>& source_section();
const Section<rows::CsvSpec>& csv_section();
const Section<rows::FeedSpec>& feed_section();
const Section<rows::MemberSpec>& member_section();

const Section<readers::ReadersSpec>& readers_section();
const Section<instances::SandboxSpec>& sandbox_section();
const Section<instances::TrialSpec>& trial_section();
const Section<readers::RestartSpec>& reader_restart_section();
const Section<readers::InstanceSpec>& instance_section();

/// "tables", an object of tables by name.
Field<Config> tables_field();

}  // namespace perch
