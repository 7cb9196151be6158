// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: a naive model of the page store, see model.h
 */
#include "model.h"

struct model_page *model_find(struct model *m, unsigned int client, u32 pool,
			      u64 obj, u64 index)
{
	unsigned int i;

	for (i = 0; i < m->nr; i++) {
		struct model_page *p = &m->page[i];

		if (p->client == client && p->pool == pool && p->obj == obj &&
		    p->index == index)
			return p;
	}
	return NULL;
}

void model_drop(struct model *m, struct model_page *page)
{
	unsigned int i = page - m->page;

	m->nr--;
	memmove(page, page + 1, (m->nr - i) * sizeof(*page));
}

/* The newest page; replaces one of the same name */
void model_add(struct model *m, const struct model_page *page)
{
	struct model_page *old;

	old = model_find(m, page->client, page->pool, page->obj, page->index);
	if (old)
		model_drop(m, old);
	if (m->nr == MODEL_PAGES)
		env_die("the model is full");
	m->page[m->nr++] = *page;
}

/* Pages of a client; @persistent: 0 or 1, or -1 for both */
unsigned int model_count(struct model *m, unsigned int client, int persistent)
{
	unsigned int i, n = 0;

	for (i = 0; i < m->nr; i++) {
		struct model_page *p = &m->page[i];

		if (p->client == client &&
		    (persistent < 0 ||
		     m->client[client].pool[p->pool].persistent == persistent))
			n++;
	}
	return n;
}

unsigned int model_flush(struct model *m, unsigned int client, u32 pool,
			 u64 obj, u64 first, u64 last_index, u32 seq)
{
	unsigned int i, n = 0;

	for (i = 0; i < m->nr; ) {
		struct model_page *p = &m->page[i];

		if (p->client == client && p->pool == pool && p->obj == obj &&
		    p->index >= first && p->index <= last_index &&
		    (!seq || (int)(seq - p->seq) >= 0)) {
			model_drop(m, p);
			n++;
		} else {
			i++;
		}
	}
	return n;
}

unsigned int model_drop_pool(struct model *m, unsigned int client, u32 pool)
{
	unsigned int i, n = 0;

	for (i = 0; i < m->nr; ) {
		if (m->page[i].client == client && m->page[i].pool == pool) {
			model_drop(m, &m->page[i]);
			n++;
		} else {
			i++;
		}
	}
	m->client[client].pool[pool].exists = false;
	return n;
}
