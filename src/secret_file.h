/*
 * secret_file.h
 *		The server's secrets in a file instead of the database
 *		(sctoken.secret_file).
 *
 * One secret a line: key id (0 to 255), 32 bytes in base64, and, on all lines but
 * the one that makes new tokens, the word "retired" or "compromised".  Empty
 * lines and lines that begin with # say nothing.
 */
#ifndef SCT_SECRET_FILE_H
#define SCT_SECRET_FILE_H

#define SECRET_LEN			32
#define SECRET_MAX_ID		255

typedef struct FileSecret
{
	bool		present;
	bool		current;
	bool		compromised;
	uint8		secret[SECRET_LEN];
} FileSecret;

/* Is there a file to be used? */
extern bool sct_secret_file_is_set(void);

/*
 * Reads the file into secrets, by key id (SECRET_MAX_ID + 1 of them); the caller
 * wipes them.  An error when that is not possible in full, which tells nothing of
 * what the file holds.
 */
extern void sct_secret_file_read(FileSecret *secrets);

/* Was the configuration reloaded since the file was read, or was it never? */
extern bool sct_secret_file_is_stale(void);

/* Is there another file now than the one that was read?  Asks the file system. */
extern bool sct_secret_file_is_replaced(void);

#endif							/* SCT_SECRET_FILE_H */
