// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: codecs of the page store, and memory that they work in
 *
 * A codec wants more memory than a stack has, so there are a few pieces of it,
 * and shards share them.
 */
#include "private.h"

/* Puts the host's codecs where they are found; false if an id cannot be */
bool tstore_codecs_init(struct tstore *s,
			const struct tstore_codec *const *codecs)
{
	u32 i;

	if (!codecs)
		return true;
	s->codec = codecs[0];
	for (i = 0; codecs[i]; i++) {
		if (!codecs[i]->id || codecs[i]->id >= TSTORE_CODECS ||
		    s->codecs[codecs[i]->id])
			return false;
		s->codecs[codecs[i]->id] = codecs[i];
	}
	return true;
}

/* False if there is no memory for them; tstore_scratches_free() frees the rest */
bool tstore_scratches_alloc(struct tstore *s)
{
	size_t work = 0;
	u32 i;

	for (i = 0; i < TSTORE_CODECS; i++)
		if (s->codecs[i] && s->codecs[i]->work > work)
			work = s->codecs[i]->work;
	s->scratches = env_zalloc(TSTORE_SCRATCHES * sizeof(*s->scratches));
	if (!s->scratches)
		return false;
	for (i = 0; i < TSTORE_SCRATCHES; i++) {
		s->scratches[i].out = env_zalloc(PAGE_SIZE);
		s->scratches[i].page = env_zalloc(PAGE_SIZE);
		s->scratches[i].work = env_zalloc(work ? work : 1);
		if (!s->scratches[i].out || !s->scratches[i].page ||
		    !s->scratches[i].work)
			return false;
	}
	return true;
}

void tstore_scratches_free(struct tstore *s)
{
	u32 i;

	for (i = 0; s->scratches && i < TSTORE_SCRATCHES; i++) {
		env_free(s->scratches[i].out);
		env_free(s->scratches[i].page);
		env_free(s->scratches[i].work);
	}
	env_free(s->scratches);
}
