/* proflite_sql.so: the table functions for any SQLite shell.
 *
 *   sqlite3 -readonly p.db -cmd '.load ./proflite_sql' 'SELECT * FROM pl_functions'
 *
 * The files of store/ are compiled once more for it, with SQLite's functions called
 * through the shell's own table of them (PL_SQL_EXTENSION in store/db.h). */
#include "store/table_functions.h"

SQLITE_EXTENSION_INIT1

__attribute__((visibility("default"))) int
sqlite3_proflitesql_init(sqlite3 *db, char **error, const sqlite3_api_routines *api);

int sqlite3_proflitesql_init(sqlite3 *db, char **error, const sqlite3_api_routines *api)
{
    (void)error;
    SQLITE_EXTENSION_INIT2(api);
    return pl_table_functions_register(db);
}
