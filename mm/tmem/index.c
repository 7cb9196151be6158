// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: the index, the proof that a copy is valid
 *
 * The store may hold anything: copies of pages that were overwritten since,
 * of files that were deleted, of pages that it claims to have.  What makes a
 * copy valid is one bit here, in the guest, and nothing else:
 *
 *	bit set  <=>  the store accepted exactly these bytes when the page was
 *		      last evicted, and nothing has touched the page since.
 *
 * A page is therefore in one of three states: in the page cache (bit clear),
 * in the store (bit set), or in neither.  To the rest of the kernel a set bit
 * is as good as a resident page: whatever must get rid of cached pages must
 * clear it.  Without a bit the store is not asked, so a miss costs no request.
 *
 * Who excludes whom
 *
 * A bit is set and cleared with the shard's lock held.  It is *set* by an
 * eviction that holds the lock of the folio, which sits in its slot of the page
 * cache.  It is *taken* by whoever inserted a folio into the slot and still
 * holds its lock; so these two exclude each other, and a set bit means that no
 * folio is in the slot, except between an eviction's put and its removal.
 *
 * An invalidation of a range removes folios in a scan, one at a time.  Clearing
 * the bits before the scan is not enough: an eviction that is under way in the
 * range may set one afterwards.  Clearing them after the scan is not enough
 * either: between the scan and the clearing a reader may take a bit, whose copy
 * the invalidation was to kill, and bring the stale page back to the page cache
 * for good.  So the range is *blocked* for the time of the scan: its bits are
 * cleared first, and none can be set until the scan is over.  A folio inserted
 * meanwhile is read from the disk, and is then removed by the scan or is as
 * valid as if there were no store.
 *
 * Size
 *
 * An object is 56 bytes and the hash table spends 11 to 21 more.  The first 64
 * pages of a file have their bits in the object, further ones in chunks of 1024
 * bits, so that a large file costs one bit a page and the slots of the array
 * that holds the chunks (9 bytes for 1024 pages).
 */
#include <linux/bitmap.h>
#include <linux/jhash.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "internal.h"

#define INLINE_PAGES	64
#define CHUNK_SHIFT	10
#define CHUNK_PAGES	(1UL << CHUNK_SHIFT)

/*
 * Bits are set by reclaim, which may use the reserves: a batch of folios takes a
 * page of objects at worst, and frees as many pages as it has folios.
 */
#define INDEX_GFP	(GFP_NOWAIT | __GFP_NOWARN)

struct tmem_chunk {
	DECLARE_BITMAP(bits, CHUNK_PAGES);
};

/*
 * All fields but @node are protected by the lock of the key's shard.  An object
 * leaves the hash table when its last bit is cleared; RCU delays the freeing
 * for those who walk the table under other shards' locks.
 */
struct tmem_object {
	struct rhash_head node;
	struct tmem_key key;
	union {
		struct {
			u64 map;		/* bits of the first pages */
			struct xarray *more;	/* chunks of the others */
		};
		struct rcu_head rcu;
	};
	u32 nr;			/* bits set */
	bool referenced;	/* since the shrinker looked last */
};

static struct kmem_cache *object_cache;
static struct kmem_cache *chunk_cache;

static const struct rhashtable_params object_params = {
	.key_len		= sizeof(struct tmem_key),
	.key_offset		= offsetof(struct tmem_object, key),
	.head_offset		= offsetof(struct tmem_object, node),
	.automatic_shrinking	= true,
};

static struct tmem_shard *key_shard(struct tmem_index *ix,
				    const struct tmem_key *key)
{
	u32 hash = jhash2((const u32 *)key, sizeof(*key) / sizeof(u32), 0);

	return &ix->shards[hash % TMEM_SHARDS];
}

static bool key_equal(const u64 *a, const u64 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

static void object_free_rcu(struct rcu_head *rcu)
{
	kmem_cache_free(object_cache,
			container_of(rcu, struct tmem_object, rcu));
}

static void object_remove(struct tmem_index *ix, struct tmem_object *obj)
{
	struct tmem_chunk *chunk;
	unsigned long i;

	rhashtable_remove_fast(&ix->ht, &obj->node, object_params);
	if (obj->more) {
		xa_for_each(obj->more, i, chunk) {
			kmem_cache_free(chunk_cache, chunk);
			atomic_long_dec(&ix->chunks);
		}
		xa_destroy(obj->more);
		kfree(obj->more);
	}
	atomic_long_dec(&ix->objects);
	call_rcu(&obj->rcu, object_free_rcu);
}

/*
 * Look an object up.  A file that has none is marked, so that its next look-up
 * costs a test of a bit: under the shard's lock, as the creation of an object
 * clears the mark.
 */
static struct tmem_object *object_find(struct tmem_index *ix,
				       struct tmem_shard *shard,
				       const struct tmem_key *key,
				       struct address_space *mapping)
{
	struct tmem_object *obj;

	lockdep_assert_held(&shard->lock);
	obj = rhashtable_lookup_fast(&ix->ht, key, object_params);
	if (!obj && mapping)
		set_bit(AS_HCACHE_ABSENT, &mapping->flags);
	return obj;
}

static struct tmem_object *object_create(struct tmem_index *ix,
					 struct tmem_shard *shard,
					 const struct tmem_key *key,
					 struct address_space *mapping)
{
	struct tmem_object *obj;

	lockdep_assert_held(&shard->lock);
	obj = kmem_cache_zalloc(object_cache, INDEX_GFP);
	if (!obj)
		return NULL;
	obj->key = *key;
	if (rhashtable_insert_fast(&ix->ht, &obj->node, object_params)) {
		kmem_cache_free(object_cache, obj);
		return NULL;
	}
	atomic_long_inc(&ix->objects);
	if (mapping) {
		clear_bit(AS_HCACHE_ABSENT, &mapping->flags);
		/* Pairs with the barrier in tmem_hcache_may_hold() */
		smp_mb__after_atomic();
	}
	return obj;
}

/* The word that has the bits of @index and its neighbours, or NULL */
static unsigned long *object_word(struct tmem_object *obj, pgoff_t index)
{
	struct tmem_chunk *chunk;

	BUILD_BUG_ON(BITS_PER_LONG != INLINE_PAGES);
	if (index < INLINE_PAGES)
		return (unsigned long *)&obj->map;
	if (!obj->more)
		return NULL;
	chunk = xa_load(obj->more, index >> CHUNK_SHIFT);
	if (!chunk)
		return NULL;
	return &chunk->bits[BIT_WORD(index % CHUNK_PAGES)];
}

static unsigned long *object_word_create(struct tmem_index *ix,
					 struct tmem_object *obj, pgoff_t index)
{
	unsigned long *word = object_word(obj, index);
	struct tmem_chunk *chunk;

	if (word)
		return word;
	if (!obj->more) {
		obj->more = kmalloc(sizeof(*obj->more),
				    INDEX_GFP | __GFP_ACCOUNT);
		if (!obj->more)
			return NULL;
		xa_init_flags(obj->more, XA_FLAGS_ACCOUNT);
	}
	chunk = kmem_cache_zalloc(chunk_cache, INDEX_GFP);
	if (!chunk)
		return NULL;
	if (xa_err(xa_store(obj->more, index >> CHUNK_SHIFT, chunk,
			    INDEX_GFP))) {
		kmem_cache_free(chunk_cache, chunk);
		return NULL;
	}
	atomic_long_inc(&ix->chunks);
	return &chunk->bits[BIT_WORD(index % CHUNK_PAGES)];
}

/* Bits of the word of @index that belong to @index .. @last */
static unsigned long word_mask(pgoff_t index, pgoff_t last)
{
	unsigned long mask = BITMAP_FIRST_WORD_MASK(index);

	if (index / BITS_PER_LONG == last / BITS_PER_LONG)
		mask &= BITMAP_LAST_WORD_MASK(last + 1);
	return mask;
}

static void object_put_chunk(struct tmem_index *ix, struct tmem_object *obj,
			     unsigned long nr)
{
	struct tmem_chunk *chunk = xa_load(obj->more, nr);

	if (!chunk || !bitmap_empty(chunk->bits, CHUNK_PAGES))
		return;
	xa_erase(obj->more, nr);
	kmem_cache_free(chunk_cache, chunk);
	atomic_long_dec(&ix->chunks);
}

/* Clear the bits @first .. @last; returns how many were set */
static unsigned long object_clear(struct tmem_index *ix,
				  struct tmem_object *obj, pgoff_t first,
				  pgoff_t last)
{
	unsigned long cleared = 0, mask, i, *word;
	pgoff_t index, end;
	struct tmem_chunk *chunk;

	if (first < INLINE_PAGES) {
		mask = word_mask(first, min(last, INLINE_PAGES - 1UL));
		cleared = hweight64(obj->map & mask);
		obj->map &= ~(u64)mask;
	}
	first = max(first, (pgoff_t)INLINE_PAGES);
	if (!obj->more || first > last)
		goto out;
	xa_for_each_range(obj->more, i, chunk, first >> CHUNK_SHIFT,
			  last >> CHUNK_SHIFT) {
		index = max(first, i << CHUNK_SHIFT);
		end = min(last, (i << CHUNK_SHIFT) + CHUNK_PAGES - 1);
		while (index <= end) {
			word = &chunk->bits[BIT_WORD(index % CHUNK_PAGES)];
			mask = word_mask(index, end);
			cleared += hweight_long(*word & mask);
			*word &= ~mask;
			index = (index | (BITS_PER_LONG - 1)) + 1;
		}
		object_put_chunk(ix, obj, i);
	}
out:
	obj->nr -= cleared;
	return cleared;
}

static bool range_blocked(struct tmem_shard *shard, const struct tmem_key *key,
			  pgoff_t first, pgoff_t last)
{
	struct tmem_inval *inval;

	lockdep_assert_held(&shard->lock);
	list_for_each_entry(inval, &shard->invals, node) {
		if (key_equal(inval->object, key->object) &&
		    inval->first <= last && first <= inval->last)
			return true;
	}
	return false;
}

/**
 * tmem_index_set - the store has accepted a run of pages
 * @ix: the index
 * @key: the file
 * @mapping: its page cache
 * @index: first page of the run
 * @nr: number of pages
 *
 * Context: Process context; the caller holds the lock of the folio that the
 * pages belong to, and the folio is in the page cache.
 * Return: 0; -EBUSY if the range is being invalidated; -ENOMEM.  On an error
 * none of the bits is set.
 */
int tmem_index_set(struct tmem_index *ix, const struct tmem_key *key,
		   struct address_space *mapping, pgoff_t index,
		   unsigned int nr)
{
	struct tmem_shard *shard = key_shard(ix, key);
	pgoff_t first = index, last = index + nr - 1;
	unsigned long mask, *word;
	struct tmem_object *obj;
	int err = 0;

	spin_lock(&shard->lock);
	if (range_blocked(shard, key, first, last)) {
		err = -EBUSY;
		goto unlock;
	}
	obj = object_find(ix, shard, key, NULL);
	if (!obj)
		obj = object_create(ix, shard, key, mapping);
	if (!obj) {
		err = -ENOMEM;
		goto unlock;
	}
	obj->referenced = true;
	for (; index <= last; index = (index | (BITS_PER_LONG - 1)) + 1) {
		word = object_word_create(ix, obj, index);
		if (!word) {
			object_clear(ix, obj, first, last);
			err = -ENOMEM;
			break;
		}
		mask = word_mask(index, last);
		obj->nr += hweight_long(mask & ~*word);
		*word |= mask;
	}
	if (!obj->nr)
		object_remove(ix, obj);
unlock:
	spin_unlock(&shard->lock);
	return err;
}

/**
 * tmem_index_take - a folio was inserted into the page cache
 * @ix: the index
 * @key: the file
 * @mapping: its page cache
 * @index: first page of the folio
 * @nr: number of its pages
 *
 * Clears the bits of the folio's pages.
 *
 * Context: Process context; the caller holds the lock of the folio.
 * Return: how many of the bits were set.
 */
unsigned int tmem_index_take(struct tmem_index *ix, const struct tmem_key *key,
			     struct address_space *mapping, pgoff_t index,
			     unsigned int nr)
{
	struct tmem_shard *shard = key_shard(ix, key);
	struct tmem_object *obj;
	unsigned int taken = 0;

	spin_lock(&shard->lock);
	obj = object_find(ix, shard, key, mapping);
	if (obj) {
		taken = object_clear(ix, obj, index, index + nr - 1);
		obj->referenced = true;
		if (!obj->nr)
			object_remove(ix, obj);
	}
	spin_unlock(&shard->lock);
	return taken;
}

/**
 * tmem_index_block - begin to invalidate a range
 * @ix: the index
 * @inval: file and range; stays in use until tmem_index_unblock()
 * @mapping: the file's page cache
 *
 * Clears the bits of the range and keeps any from being set.
 *
 * Context: Process context.
 * Return: how many of the bits were set.
 */
unsigned long tmem_index_block(struct tmem_index *ix, struct tmem_inval *inval,
			       struct address_space *mapping)
{
	const struct tmem_key *key = (const struct tmem_key *)inval->object;
	struct tmem_shard *shard = key_shard(ix, key);
	struct tmem_object *obj;
	unsigned long cleared = 0;

	spin_lock(&shard->lock);
	list_add(&inval->node, &shard->invals);
	obj = object_find(ix, shard, key, mapping);
	if (obj) {
		cleared = object_clear(ix, obj, inval->first, inval->last);
		if (!obj->nr)
			object_remove(ix, obj);
	}
	spin_unlock(&shard->lock);
	return cleared;
}

/**
 * tmem_index_unblock - the range is invalidated
 * @ix: the index
 * @inval: what was given to tmem_index_block()
 *
 * Context: Process context.
 */
void tmem_index_unblock(struct tmem_index *ix, struct tmem_inval *inval)
{
	struct tmem_shard *shard;

	shard = key_shard(ix, (const struct tmem_key *)inval->object);
	spin_lock(&shard->lock);
	list_del(&inval->node);
	spin_unlock(&shard->lock);
}

/* Drop an object unless it was used since the last visit; true if dropped */
static bool object_reclaim(struct tmem_index *ix, const struct tmem_key *key)
{
	struct tmem_shard *shard = key_shard(ix, key);
	struct tmem_object *obj;
	bool drop = false;

	spin_lock(&shard->lock);
	obj = object_find(ix, shard, key, NULL);
	if (obj && obj->referenced) {
		obj->referenced = false;
	} else if (obj) {
		object_remove(ix, obj);
		drop = true;
	}
	spin_unlock(&shard->lock);
	return drop;
}

/**
 * tmem_index_shrink - give memory of the index back
 * @ix: the index
 * @nr: how many objects to drop at most; twice as many are looked at
 * @dropped: called for each object dropped, in atomic context
 * @data: passed to @dropped
 *
 * A clock: an object that was used since the last round stays.
 *
 * Context: Process context, also from reclaim.
 * Return: number of objects dropped.
 */
unsigned long tmem_index_shrink(struct tmem_index *ix, unsigned long nr,
				void (*dropped)(void *data,
						const struct tmem_key *key),
				void *data)
{
	unsigned long seen = 0, freed = 0;
	struct tmem_object *obj;
	struct tmem_key key;

	if (!mutex_trylock(&ix->shrink_lock))
		return 0;
	rhashtable_walk_start(&ix->walker);
	while (freed < nr && seen++ < 2 * nr) {
		obj = rhashtable_walk_next(&ix->walker);
		if (obj == ERR_PTR(-EAGAIN))
			continue;
		if (IS_ERR_OR_NULL(obj)) {
			/* The end, or a new table: once more from the start */
			rhashtable_walk_stop(&ix->walker);
			rhashtable_walk_exit(&ix->walker);
			rhashtable_walk_enter(&ix->ht, &ix->walker);
			rhashtable_walk_start(&ix->walker);
			continue;
		}
		key = obj->key;
		if (object_reclaim(ix, &key)) {
			freed++;
			dropped(data, &key);
		}
	}
	rhashtable_walk_stop(&ix->walker);
	mutex_unlock(&ix->shrink_lock);
	return freed;
}

/**
 * tmem_index_clear - drop all objects
 * @ix: the index
 *
 * What is inserted meanwhile may stay.
 *
 * Context: Process context, may sleep.
 */
void tmem_index_clear(struct tmem_index *ix)
{
	struct rhashtable_iter iter;
	struct tmem_object *obj;
	struct tmem_shard *shard;
	struct tmem_key key;

	rhashtable_walk_enter(&ix->ht, &iter);
	rhashtable_walk_start(&iter);
	while ((obj = rhashtable_walk_next(&iter)) != NULL) {
		if (IS_ERR(obj))
			continue;
		key = obj->key;
		shard = key_shard(ix, &key);
		spin_lock(&shard->lock);
		obj = object_find(ix, shard, &key, NULL);
		if (obj)
			object_remove(ix, obj);
		spin_unlock(&shard->lock);
		if (need_resched()) {
			rhashtable_walk_stop(&iter);
			cond_resched();
			rhashtable_walk_start(&iter);
		}
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
}

/**
 * tmem_index_bytes - memory that the index uses
 * @ix: the index
 *
 * Return: bytes of objects, chunks and hash table.
 */
size_t tmem_index_bytes(struct tmem_index *ix)
{
	size_t bytes = atomic_long_read(&ix->objects) *
		       sizeof(struct tmem_object);

	bytes += atomic_long_read(&ix->chunks) *
		 (sizeof(struct tmem_chunk) + sizeof(void *));
	rcu_read_lock();
	bytes += rht_dereference_rcu(ix->ht.tbl, &ix->ht)->size *
		 sizeof(void *);
	rcu_read_unlock();
	return bytes;
}

/**
 * tmem_index_init - make an empty index
 * @ix: memory for it, zeroed
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int tmem_index_init(struct tmem_index *ix)
{
	unsigned int i;
	int err;

	ix->shards = kcalloc(TMEM_SHARDS, sizeof(*ix->shards), GFP_KERNEL);
	if (!ix->shards)
		return -ENOMEM;
	for (i = 0; i < TMEM_SHARDS; i++) {
		spin_lock_init(&ix->shards[i].lock);
		INIT_LIST_HEAD(&ix->shards[i].invals);
	}
	mutex_init(&ix->shrink_lock);
	err = rhashtable_init(&ix->ht, &object_params);
	if (err) {
		kfree(ix->shards);
		return err;
	}
	rhashtable_walk_enter(&ix->ht, &ix->walker);
	return 0;
}

/**
 * tmem_index_exit - free an index
 * @ix: the index; nobody uses it any more
 *
 * Context: Process context, may sleep.
 */
void tmem_index_exit(struct tmem_index *ix)
{
	tmem_index_clear(ix);
	rhashtable_walk_exit(&ix->walker);
	rhashtable_destroy(&ix->ht);
	kfree(ix->shards);
}

/**
 * tmem_index_caches_init - create the slab caches of the index
 *
 * Return: 0 or -ENOMEM.
 */
int __init tmem_index_caches_init(void)
{
	BUILD_BUG_ON(sizeof(struct tmem_object) > 56);
	object_cache = KMEM_CACHE(tmem_object, SLAB_ACCOUNT);
	chunk_cache = KMEM_CACHE(tmem_chunk, SLAB_ACCOUNT);
	return object_cache && chunk_cache ? 0 : -ENOMEM;
}
