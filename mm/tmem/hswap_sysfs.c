// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: /sys/kernel/mm/tmem/hswap, and pools/<id> of devices
 *
 * One value a file.  Documentation/ABI/testing/sysfs-kernel-mm-tmem says what
 * each of them is.
 */
#include <linux/fs.h>
#include <linux/kstrtox.h>
#include <linux/swap.h>
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
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(tmem_hswap_counts, cpu)[count->what]);
	return sysfs_emit(buf, "%llu\n", sum);
}

#define COUNT(_what, _name)						\
static struct count_attr _name##_count = {				\
	.attr = __ATTR(_name, 0444, count_show, NULL),			\
	.what = _what,							\
}

COUNT(HSWAP_OFFERED, offered);
COUNT(HSWAP_STORED, stored);
COUNT(HSWAP_REJECT_DISABLED, reject_disabled);
COUNT(HSWAP_REJECT_CGROUP, reject_cgroup);
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
	&reject_cgroup_count.attr.attr,
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

/* ---- pools/<id>/ ---- */

static struct tmem_hswap *to_hswap(struct kobject *kobj)
{
	return container_of(kobj, struct tmem_hswap, kobj);
}

static ssize_t type_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "hswap\n");
}

static struct kobj_attribute type_attr = __ATTR_RO(type);

/* As in /proc/swaps */
static ssize_t device_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *buf)
{
	struct file *file = READ_ONCE(to_hswap(kobj)->si->swap_file);
	char *name;

	/* The file is closed after these files are gone */
	if (!file)
		return -ENODEV;
	name = file_path(file, buf, PAGE_SIZE - 1);
	if (IS_ERR(name))
		return PTR_ERR(name);
	memmove(buf, name, strlen(name) + 1);
	strcat(buf, "\n");
	return strlen(buf);
}

static struct kobj_attribute device_attr = __ATTR_RO(device);

static ssize_t pages_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%ld\n",
			  atomic_long_read(&to_hswap(kobj)->pages));
}

static struct kobj_attribute pages_attr = __ATTR_RO(pages);

static struct attribute *pool_attrs[] = {
	&type_attr.attr,
	&device_attr.attr,
	&pages_attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(pool);

static void pool_release(struct kobject *kobj)
{
	tmem_hswap_release(to_hswap(kobj));
}

static const struct kobj_type pool_ktype = {
	.sysfs_ops = &kobj_sysfs_ops,
	.release = pool_release,
	.default_groups = pool_groups,
};

/**
 * tmem_hswap_sysfs_init_pool - make a device's pool an object for sysfs
 * @hs: the device; kobject_put() frees it
 */
void tmem_hswap_sysfs_init_pool(struct tmem_hswap *hs)
{
	kobject_init(&hs->kobj, &pool_ktype);
}

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
