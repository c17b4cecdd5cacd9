/*
 * standby.c
 *		sctoken.last_write_lsn(): how far a hot standby must have come to know what
 *		was committed here, and whether one has.
 */
#include "sctoken.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogrecovery.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/pg_lsn.h"

#include "standby.h"

PG_FUNCTION_INFO_V1(sctoken_last_write_lsn);

bool
sct_standby_lacks(XLogRecPtr position)
{
	return RecoveryInProgress() && GetXLogReplayRecPtr(NULL) < position;
}

/*
 * Where the last record ended.  Where that was the end of a page the next one
 * begins behind a header, and a standby that has replayed all there is would seem
 * to lack that header.
 */
static XLogRecPtr
end_of_last_record(XLogRecPtr insert)
{
	if (XLogSegmentOffset(insert, wal_segment_size) == SizeOfXLogLongPHD)
		return insert - SizeOfXLogLongPHD;
	if (insert % XLOG_BLCKSZ == SizeOfXLogShortPHD)
		return insert - SizeOfXLogShortPHD;
	return insert;
}

/*
 * Behind a pooler the session that wrote may be any, so this is where the server
 * is, not the session: never before its last commit, and hardly behind it.
 */
Datum
sctoken_last_write_lsn(FunctionCallInfo fcinfo pg_attribute_unused())
{
	PreventCommandDuringRecovery("sctoken.last_write_lsn()");
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("sctoken.last_write_lsn() cannot be called in a transaction that has written"),
				 errhint("Call it after the COMMIT, which is part of what a standby must have replayed.")));
	PG_RETURN_LSN(end_of_last_record(GetXLogInsertRecPtr()));
}
