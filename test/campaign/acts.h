/*
 * acts.h
 *		What a client of the campaign does.
 */
#ifndef ACTS_H
#define ACTS_H

#include "call.h"

/*
 * Which acts, and how often: as "rotate=60,steal=8"; NULL or "": the usual mix.
 * login=1 makes clients log in where a family has died; async=80 makes that share of
 * a hundred revocations not wait for the disk.
 */
extern void acts_mix(const char *mix);

/* Logs in at a client's share of the places. */
extern void acts_begin(Client *client, int clients);

/* One act, chosen at random. */
extern void acts_next(Client *client, int clients);

/* What can be asked when all is over, of a client's share of everything. */
extern void acts_audit(Client *client, int clients);

#endif							/* ACTS_H */
