/*
 * lines.h
 *		Reads the lines of vectors.pl.
 */
#ifndef LINES_H
#define LINES_H

#include "unit.h"

#define MAX_FIELDS	16
#define MAX_LINE	(1 << 20)

/*
 * Opens a file in the folder that UNIT_DATA names; NULL when it is not there or
 * holds nothing.
 */
static inline FILE *
lines_open(const char *name)
{
	const char *folder = getenv("UNIT_DATA");
	char		path[MAXPGPATH];
	FILE	   *file;
	int			c;

	snprintf(path, sizeof(path), "%s/%s", folder != NULL ? folder : "build",
			 name);
	file = fopen(path, "r");
	if (file == NULL)
		return NULL;
	c = getc(file);
	if (c == EOF)
	{
		fclose(file);
		return NULL;
	}
	ungetc(c, file);
	return file;
}

/* Splits the next line into fields; how many, 0 at the end. */
static inline int
lines_next(FILE *file, char **fields)
{
	static char line[MAX_LINE];
	int			count = 0;
	char	   *at = line;

	if (fgets(line, sizeof(line), file) == NULL)
		return 0;
	line[strcspn(line, "\n")] = '\0';
	while (at != NULL && count < MAX_FIELDS)
	{
		char	   *tab = strchr(at, '\t');

		fields[count++] = at;
		if (tab != NULL)
			*tab++ = '\0';
		at = tab;
	}
	return count;
}

/* Turns hexadecimal into bytes, in place; how many. */
static inline size_t
unhex(char *text)
{
	size_t		len = strlen(text) / 2;

	for (size_t i = 0; i < len; i++)
	{
		char		digits[3] = {text[2 * i], text[2 * i + 1], '\0'};

		text[i] = (char) strtol(digits, NULL, 16);
	}
	text[len] = '\0';
	return len;
}

/* Is the field absent? */
static inline bool
absent(const char *field)
{
	return strcmp(field, "-") == 0;
}

#endif							/* LINES_H */
