// The commands of the program. Each prints to stdout and returns the exit code.
#pragma once

#include "bench/arguments.h"

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
int doctor_command(const Arguments& arguments);

// The store of a command that only reads: it is not made when it is not there.
Store existing_store(const Arguments& arguments);

}  // namespace quantbench
