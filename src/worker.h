/*
 * worker.h
 *		Maintenance on a schedule, by background workers.
 */
#ifndef SCT_WORKER_H
#define SCT_WORKER_H

#include "utils/guc.h"

/* GUC hook of sctoken.databases */
extern bool sct_worker_check_databases(char **newval, void **extra,
									   GucSource source);

/* Entry points of the background workers */
extern PGDLLEXPORT void sct_worker_launcher_main(Datum arg);
extern PGDLLEXPORT void sct_worker_maintenance_main(Datum arg);

#endif							/* SCT_WORKER_H */
