/*
 * One command at a time on a file or folder: others that take the same lock wait. Main thread of a command.
 */
#pragma once

/*
 * Waits for the lock of what is at the path, also where that is replaced meanwhile. A descriptor, whose closing ends the lock,
 * as the end of the process does; or a negative errno.
 */
int sl_file_lock(const char *path);
