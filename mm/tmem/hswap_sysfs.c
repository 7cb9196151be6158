// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: /sys/kernel/mm/tmem/hswap
 *
 * One value a file.  Documentation/ABI/testing/sysfs-kernel-mm-tmem says what
 * each of them is.
 */
#include <linux/kstrtox.h>
#include <linux/sysfs.h>

#include "internal.h"
#include "sysfs.h"

TMEM_BOOL_ATTR(enabled, tmem_hswap_enabled);
TMEM_BOOL_ATTR(after_zswap, tmem_hswap_after_zswap);

static ssize_t limit_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%lu\n", READ_ONCE(tmem_hswap_limit));
}

/* What is above the limit goes to the swap devices */
static ssize_t limit_store(struct kobject *kobj, struct kobj_attribute *attr,
			   const char *buf, size_t len)
{
	unsigned long limit, usage;
	int err = kstrtoul(buf, 0, &limit);

	if (err)
		return err;
	WRITE_ONCE(tmem_hswap_limit, limit);
	usage = tmem_hswap_usage();
	err = usage > limit ? tmem_hswap_shrink(usage - limit) : 0;
	return err ?: len;
}

static struct kobj_attribute limit_attr = __ATTR_RW_MODE(limit, 0644);

static ssize_t usage_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%lu\n", tmem_hswap_usage());
}

static struct kobj_attribute usage_attr = __ATTR_RO(usage);

static ssize_t shrink_store(struct kobject *kobj, struct kobj_attribute *attr,
			    const char *buf, size_t len)
{
	unsigned long nr;
	int err = kstrtoul(buf, 0, &nr);

	if (err)
		return err;
	err = tmem_hswap_shrink(nr);
	return err ?: len;
}

static struct kobj_attribute shrink_attr = __ATTR(shrink, 0200, NULL,
						  shrink_store);

struct count_attr {
	struct kobj_attribute attr;
	enum tmem_hswap_count what;
};

static ssize_t count_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	struct count_attr *count = container_of(attr, struct count_attr, attr);

	return sysfs_emit(buf, "%llu\n", tmem_hswap_count(count->what));
}

#define COUNT(_what, _name)						\
static struct count_attr _name##_count = {				\
	.attr = __ATTR(_name, 0444, count_show, NULL),			\
	.what = _what,							\
}

COUNT(HSWAP_OFFERED, offered);
COUNT(HSWAP_STORED, stored);
COUNT(HSWAP_REJECT_DISABLED, reject_disabled);
COUNT(HSWAP_REJECT_LIMIT, reject_limit);
COUNT(HSWAP_REJECT_VECTOR, reject_vector);
COUNT(HSWAP_REJECT_FULL, reject_full);
COUNT(HSWAP_REJECT_IO, reject_io);
COUNT(HSWAP_LOADED, loaded);
COUNT(HSWAP_FAILED, failed);
COUNT(HSWAP_FREED, freed);
COUNT(HSWAP_OVERWRITTEN, overwritten);
COUNT(HSWAP_WRITTEN_BACK, written_back);
COUNT(HSWAP_PUT_VECTORS, put_vectors);
COUNT(HSWAP_PUT_REQUESTS, put_requests);
COUNT(HSWAP_GET_VECTORS, get_vectors);
COUNT(HSWAP_GET_REQUESTS, get_requests);

static struct attribute *hswap_attrs[] = {
	&enabled_attr.attr,
	&after_zswap_attr.attr,
	&limit_attr.attr,
	&usage_attr.attr,
	&shrink_attr.attr,
	&offered_count.attr.attr,
	&stored_count.attr.attr,
	&reject_disabled_count.attr.attr,
	&reject_limit_count.attr.attr,
	&reject_vector_count.attr.attr,
	&reject_full_count.attr.attr,
	&reject_io_count.attr.attr,
	&loaded_count.attr.attr,
	&failed_count.attr.attr,
	&freed_count.attr.attr,
	&overwritten_count.attr.attr,
	&written_back_count.attr.attr,
	&put_vectors_count.attr.attr,
	&put_requests_count.attr.attr,
	&get_vectors_count.attr.attr,
	&get_requests_count.attr.attr,
	NULL
};

static const struct attribute_group hswap_group = {
	.name = "hswap",
	.attrs = hswap_attrs,
};

/**
 * tmem_hswap_sysfs_init - create the files
 * @parent: /sys/kernel/mm/tmem
 *
 * Return: 0 or a negative error number.
 */
int __init tmem_hswap_sysfs_init(struct kobject *parent)
{
	return sysfs_create_group(parent, &hswap_group);
}
