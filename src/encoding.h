/*
 * encoding.h
 *		Text between UTF-8, in which JSON is read, and the database's encoding.
 *
 * Without errors: what comes from a client must give a verdict in every database.
 */
#ifndef SCT_ENCODING_H
#define SCT_ENCODING_H

/*
 * UTF-8 as text.  Where the database's encoding lacks a character, what is not
 * ASCII is spelled as in JSON (and so is a backslash), never left out.
 */
extern text *sct_utf8_to_text(const char *utf8, size_t len);

/*
 * UTF-8 JSON as text.  Where the database's encoding is not UTF-8, what is not
 * ASCII is escaped, which says the same.
 */
extern text *sct_utf8_json_to_text(const char *utf8, size_t len);

/*
 * Text as UTF-8, in the current memory context if it must be converted; NULL when
 * it cannot be.  In an SQL_ASCII database its bytes as they are.
 */
extern const char *sct_text_to_utf8(const text *value, size_t *len);

#endif							/* SCT_ENCODING_H */
