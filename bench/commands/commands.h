// The commands of the program. Each prints to stdout and returns the exit code.
#pragma once

#include "bench/arguments.h"
#include "bench/output.h"

namespace quantbench {

int list_command(const Arguments& arguments);
int run_command(const Arguments& arguments);
int resume_command(const Arguments& arguments);
int replay_command(const Arguments& arguments);
int runs_command(const Arguments& arguments);
int show_command(const Arguments& arguments);
int compare_command(const Arguments& arguments);
int export_command(const Arguments& arguments);
int merge_command(const Arguments& arguments);
int history_command(const Arguments& arguments);
int leaderboard_command(const Arguments& arguments);
int table_command(const Arguments& arguments);
int latency_command(const Arguments& arguments);
int tag_command(const Arguments& arguments);
int remove_command(const Arguments& arguments);
int eval_command(const Arguments& arguments);
int convert_command(const Arguments& arguments);
int import_command(const Arguments& arguments);
int plot_command(const Arguments& arguments);
int confusion_command(const Arguments& arguments);
int conformance_command(const Arguments& arguments);
int completion_command(const Arguments& arguments);
int doctor_command(const Arguments& arguments);

// The store of a command that only reads: it is not made when it is not there.
Store existing_store(const Arguments& arguments);

// Throws Error, with the nearest name, when a filter names a method, model or dataset that is
// neither part of the program nor in the store.
void check_filter(const Store& store, const RunFilter& filter);

}  // namespace quantbench
