/*
 * policy.h
 *		What a client may do: its row of sctoken.client_policy over that of '*'
 *		over the built-in defaults.
 */
#ifndef SCT_POLICY_H
#define SCT_POLICY_H

#include "datatype/timestamp.h"

typedef enum Rotation
{
	ROTATION_ALWAYS,
	ROTATION_NEVER,
	ROTATION_BOUND_NEVER
} Rotation;

typedef enum RequiredBinding
{
	BINDING_NONE,
	BINDING_DPOP,
	BINDING_MTLS,
	BINDING_ANY
} RequiredBinding;

typedef enum OnReuse
{
	REUSE_REVOKE_FAMILY,
	REUSE_REVOKE_SUBJECT_CLIENT,
	REUSE_REFUSE
} OnReuse;

typedef enum Profile
{
	PROFILE_NONE,
	PROFILE_FAPI2
} Profile;

typedef enum ClientType
{
	CLIENT_PUBLIC,
	CLIENT_CONFIDENTIAL
} ClientType;

/* Lengths of time in microseconds. */
typedef struct Policy
{
	ClientType	client_type;
	Rotation	rotation;
	int64		retry_window;
	bool		retry_until_confirmed;
	int32		max_retries;
	int64		idle_ttl;
	int64		absolute_ttl;
	RequiredBinding required_binding;
	bool		has_require_nonce;	/* else sctoken.dpop_freshness says it */
	bool		require_nonce;
	OnReuse		on_reuse;
	Profile		profile;		/* rotation and required_binding conform to it */
	int32		max_families;	/* 0: any number */
	bool		enabled;
	TimestampTz not_before;		/* DT_NOBEGIN: none */
} Policy;

/*
 * The policy of a client; between sct_query_begin() and sct_query_end().
 */
extern void sct_policy_get(const text *client_id, Policy *policy);

#endif							/* SCT_POLICY_H */
