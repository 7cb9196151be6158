// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: /sys/kernel/mm/tmem
 *
 * One value a file.  Documentation/ABI/testing/sysfs-kernel-mm-tmem says what
 * each of them is.
 */
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "internal.h"
#include "sysfs.h"

static struct kobject *tmem_kobj;
static struct kset *pools_kset;

/* ---- tmem/ ---- */

static ssize_t transport_show(struct kobject *kobj, struct kobj_attribute *attr,
			      char *buf)
{
	return tmem_transport_show(buf);
}

static ssize_t transport_store(struct kobject *kobj,
			       struct kobj_attribute *attr, const char *buf,
			       size_t len)
{
	char name[16];
	int err;

	if (strscpy(name, buf) < 0)
		return -ENODEV;
	err = tmem_transport_select(strim(name));
	return err ?: len;
}

static struct kobj_attribute transport_attr = __ATTR_RW_MODE(transport, 0644);

static struct attribute *tmem_attrs[] = {
	&transport_attr.attr,
	NULL
};

static const struct attribute_group tmem_group = { .attrs = tmem_attrs };

/* ---- tmem/hcache/: settings ---- */

TMEM_BOOL_ATTR(enabled, tmem_hcache_enabled);
TMEM_BOOL_ATTR(encrypted, tmem_hcache_encrypted);

static const char * const admissions[] = {
	[TMEM_ADMIT_ALL] = "all",
	[TMEM_ADMIT_WORKINGSET] = "workingset",
	[TMEM_ADMIT_ADAPTIVE] = "adaptive",
};

static ssize_t admission_show(struct kobject *kobj, struct kobj_attribute *attr,
			      char *buf)
{
	return sysfs_emit(buf, "%s\n",
			  admissions[READ_ONCE(tmem_hcache_admission)]);
}

static ssize_t admission_store(struct kobject *kobj,
			       struct kobj_attribute *attr, const char *buf,
			       size_t len)
{
	int mode = sysfs_match_string(admissions, buf);

	if (mode < 0)
		return mode;
	WRITE_ONCE(tmem_hcache_admission, mode);
	return len;
}

static struct kobj_attribute admission_attr = __ATTR_RW_MODE(admission, 0644);

static ssize_t index_limit_show(struct kobject *kobj,
				struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", READ_ONCE(tmem_index_limit));
}

static ssize_t index_limit_store(struct kobject *kobj,
				 struct kobj_attribute *attr, const char *buf,
				 size_t len)
{
	unsigned long limit;
	int err = kstrtoul(buf, 0, &limit);

	if (err)
		return err;
	WRITE_ONCE(tmem_index_limit, limit);
	return len;
}

static struct kobj_attribute index_limit_attr =
	__ATTR_RW_MODE(index_limit, 0644);

static ssize_t index_bytes_show(struct kobject *kobj,
				struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%zu\n", tmem_hcache_index_bytes());
}

static struct kobj_attribute index_bytes_attr = __ATTR_RO(index_bytes);

#define FLUSH_COUNT(_name, _var)					\
static ssize_t _name##_show(struct kobject *kobj,			\
			    struct kobj_attribute *attr, char *buf)	\
{									\
	return sysfs_emit(buf, "%ld\n", atomic_long_read(&(_var)));	\
}									\
									\
static struct kobj_attribute _name##_attr = __ATTR_RO(_name)

FLUSH_COUNT(flushes_queued, tmem_flush_queued);
FLUSH_COUNT(flushes_sent, tmem_flush_done);
FLUSH_COUNT(flushes_dropped, tmem_flush_dropped);

/* ---- counters: the same in hcache/ for all filesystems, and a pool's ---- */

struct count_attr {
	struct kobj_attribute total;
	struct kobj_attribute pool;
	enum tmem_hcache_count what;
};

static ssize_t total_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	struct count_attr *count = container_of(attr, struct count_attr, total);

	return sysfs_emit(buf, "%llu\n", tmem_hcache_total(count->what));
}

static ssize_t pool_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	struct count_attr *count = container_of(attr, struct count_attr, pool);
	struct tmem_hcache *hc = container_of(kobj, struct tmem_hcache, kobj);

	return sysfs_emit(buf, "%llu\n", tmem_hcache_count(hc, count->what));
}

#define COUNT(_what, _name)						\
static struct count_attr _name##_count = {				\
	.total = __ATTR(_name, 0444, total_show, NULL),			\
	.pool = __ATTR(_name, 0444, pool_show, NULL),			\
	.what = _what,							\
}

COUNT(HCACHE_OFFERED, offered);
COUNT(HCACHE_STORED, stored);
COUNT(HCACHE_REJECT_DISABLED, reject_disabled);
COUNT(HCACHE_REJECT_ADMISSION, reject_admission);
COUNT(HCACHE_REJECT_VECTOR, reject_vector);
COUNT(HCACHE_REJECT_FULL, reject_full);
COUNT(HCACHE_REJECT_IO, reject_io);
COUNT(HCACHE_REJECT_INDEX, reject_index);
COUNT(HCACHE_REJECT_RACE, reject_race);
COUNT(HCACHE_HITS, hits);
COUNT(HCACHE_LOST, lost);
COUNT(HCACHE_MISSES, misses);
COUNT(HCACHE_OVERWRITTEN, overwritten);
COUNT(HCACHE_INVALIDATED, invalidated);
COUNT(HCACHE_RETURNED, returned);
COUNT(HCACHE_PUT_VECTORS, put_vectors);
COUNT(HCACHE_PUT_REQUESTS, put_requests);
COUNT(HCACHE_GET_VECTORS, get_vectors);
COUNT(HCACHE_GET_REQUESTS, get_requests);

#define ALL_COUNTS(_which)						\
	&offered_count._which.attr,					\
	&stored_count._which.attr,					\
	&reject_disabled_count._which.attr,				\
	&reject_admission_count._which.attr,				\
	&reject_vector_count._which.attr,				\
	&reject_full_count._which.attr,					\
	&reject_io_count._which.attr,					\
	&reject_index_count._which.attr,				\
	&reject_race_count._which.attr,					\
	&hits_count._which.attr,					\
	&lost_count._which.attr,					\
	&misses_count._which.attr,					\
	&overwritten_count._which.attr,					\
	&invalidated_count._which.attr,					\
	&returned_count._which.attr,					\
	&put_vectors_count._which.attr,					\
	&put_requests_count._which.attr,				\
	&get_vectors_count._which.attr,					\
	&get_requests_count._which.attr

static struct attribute *hcache_attrs[] = {
	&enabled_attr.attr,
	&encrypted_attr.attr,
	&admission_attr.attr,
	&index_limit_attr.attr,
	&index_bytes_attr.attr,
	&flushes_queued_attr.attr,
	&flushes_sent_attr.attr,
	&flushes_dropped_attr.attr,
	ALL_COUNTS(total),
	NULL
};

static const struct attribute_group hcache_group = {
	.name = "hcache",
	.attrs = hcache_attrs,
};

/* ---- pools/<id>/ ---- */

static ssize_t filesystem_show(struct kobject *kobj,
			       struct kobj_attribute *attr, char *buf)
{
	struct tmem_hcache *hc = container_of(kobj, struct tmem_hcache, kobj);

	return sysfs_emit(buf, "%s\n", hc->sb->s_id);
}

static struct kobj_attribute filesystem_attr = __ATTR_RO(filesystem);

static ssize_t type_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "hcache\n");
}

static struct kobj_attribute type_attr = __ATTR_RO(type);

static ssize_t pool_index_bytes_show(struct kobject *kobj,
				     struct kobj_attribute *attr, char *buf)
{
	struct tmem_hcache *hc = container_of(kobj, struct tmem_hcache, kobj);

	return sysfs_emit(buf, "%zu\n", tmem_index_bytes(&hc->index));
}

static struct kobj_attribute pool_index_bytes_attr =
	__ATTR(index_bytes, 0444, pool_index_bytes_show, NULL);

static ssize_t files_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	struct tmem_hcache *hc = container_of(kobj, struct tmem_hcache, kobj);

	return sysfs_emit(buf, "%ld\n", atomic_long_read(&hc->index.objects));
}

static struct kobj_attribute files_attr = __ATTR_RO(files);

static const char * const verdicts[] = {
	[TMEM_VERDICT_LEARNING] = "learning",
	[TMEM_VERDICT_CHEAP] = "cheap",
	[TMEM_VERDICT_PAYS] = "pays",
	[TMEM_VERDICT_SAMPLED] = "sampled",
};

/* A file @_name that shows something that was measured, which is in m */
#define MEASURED(_name, _format, _value)				\
static ssize_t _name##_show(struct kobject *kobj,			\
			    struct kobj_attribute *attr, char *buf)	\
{									\
	struct tmem_measured m;						\
									\
	tmem_admit_read(container_of(kobj, struct tmem_hcache, kobj),	\
			&m);						\
	return sysfs_emit(buf, _format "\n", _value);			\
}									\
									\
static struct kobj_attribute _name##_attr = __ATTR_RO(_name)

MEASURED(verdict, "%s", verdicts[m.verdict]);
MEASURED(hit_share, "%u", tmem_admit_share(&m));
MEASURED(hit_share_needed, "%u", tmem_admit_needed(&m));
MEASURED(sample, "%u", m.verdict == TMEM_VERDICT_SAMPLED ? m.sample : 1000);
MEASURED(put_ns, "%llu", tmem_rate_mean(&m.put));
MEASURED(get_ns, "%llu", tmem_rate_mean(&m.get));
MEASURED(disk_ns, "%llu", tmem_rate_mean(&m.disk));

static struct attribute *pool_attrs[] = {
	&filesystem_attr.attr,
	&type_attr.attr,
	&pool_index_bytes_attr.attr,
	&files_attr.attr,
	&verdict_attr.attr,
	&hit_share_attr.attr,
	&hit_share_needed_attr.attr,
	&sample_attr.attr,
	&put_ns_attr.attr,
	&get_ns_attr.attr,
	&disk_ns_attr.attr,
	ALL_COUNTS(pool),
	NULL
};
ATTRIBUTE_GROUPS(pool);

static void pool_release(struct kobject *kobj)
{
	tmem_hcache_free(container_of(kobj, struct tmem_hcache, kobj));
}

static const struct kobj_type pool_ktype = {
	.sysfs_ops = &kobj_sysfs_ops,
	.release = pool_release,
	.default_groups = pool_groups,
};

/**
 * tmem_sysfs_init_pool - make a cache an object that sysfs can show
 * @hc: the cache; kobject_put() frees it
 */
void tmem_sysfs_init_pool(struct tmem_hcache *hc)
{
	kobject_init(&hc->kobj, &pool_ktype);
}

/**
 * tmem_sysfs_add_pool - show a pool
 * @kobj: of the pool; initialised
 * @id: the pool's id
 *
 * If that fails the pool works unseen.
 *
 * Context: Process context, may sleep.
 */
void tmem_sysfs_add_pool(struct kobject *kobj, u32 id)
{
	kobj->kset = pools_kset;
	if (!pools_kset || kobject_add(kobj, NULL, "%u", id))
		pr_warn("tmem: no sysfs files for pool %u\n", id);
}

/**
 * tmem_sysfs_init - create the files
 *
 * Return: 0 or -ENOMEM.
 */
int __init tmem_sysfs_init(void)
{
	int err;

	tmem_kobj = kobject_create_and_add("tmem", mm_kobj);
	if (!tmem_kobj)
		return -ENOMEM;
	err = sysfs_create_group(tmem_kobj, &tmem_group);
	if (err)
		goto put;
	err = sysfs_create_group(tmem_kobj, &hcache_group);
	if (err)
		goto put;
	err = tmem_hswap_sysfs_init(tmem_kobj);
	if (err)
		goto put;
	err = tmem_wse_sysfs_init(tmem_kobj);
	if (err)
		goto put;
	pools_kset = kset_create_and_add("pools", NULL, tmem_kobj);
	if (!pools_kset) {
		err = -ENOMEM;
		goto put;
	}
	return 0;

put:
	kobject_put(tmem_kobj);
	return err;
}
