/*
 * The kinds of `sluice bench`. Each takes its own argv ([0] is its name) and returns the exit code (app/commands.h). Main
 * thread.
 */
#pragma once

int sl_bench_self(int argc, char **argv);
int sl_bench_client(int argc, char **argv);
int sl_bench_server(int argc, char **argv);
