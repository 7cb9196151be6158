// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: /sys/kernel/mm/tmem/wse
 */
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/mm_inline.h>

#include "internal.h"
#include "sysfs.h"
#include "wse.h"

static const char * const modes[] = {
	[TMEM_WSE_OFF] = "off",
	[TMEM_WSE_ADVISE] = "advise",
	[TMEM_WSE_SELF] = "self",
	[TMEM_WSE_HOST] = "host",
};

static ssize_t mode_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%s\n", modes[tmem_wse_mode()]);
}

static ssize_t mode_store(struct kobject *kobj, struct kobj_attribute *attr,
			  const char *buf, size_t len)
{
	int mode = sysfs_match_string(modes, buf);

	if (mode >= 0)
		mode = tmem_wse_set_mode(mode);
	return mode ?: len;
}

static struct kobj_attribute mode_attr = __ATTR_RW_MODE(mode, 0644);

/* A file @_name that shows and sets @_var, pages, as bytes */
#define LIMIT(_name, _var)						\
static ssize_t _name##_show(struct kobject *kobj,			\
			    struct kobj_attribute *attr, char *buf)	\
{									\
	return sysfs_emit(buf, "%llu\n", READ_ONCE(_var) << PAGE_SHIFT);	\
}									\
									\
static ssize_t _name##_store(struct kobject *kobj,			\
			     struct kobj_attribute *attr,		\
			     const char *buf, size_t len)		\
{									\
	u64 bytes;							\
	int err = kstrtou64(buf, 0, &bytes);				\
									\
	if (err)							\
		return err;						\
	if (bytes >> PAGE_SHIFT > TMEM_REPORT_MAX)			\
		return -EINVAL;						\
	WRITE_ONCE(_var, bytes >> PAGE_SHIFT);				\
	return len;							\
}									\
									\
static struct kobj_attribute _name##_attr = __ATTR_RW_MODE(_name, 0644)

LIMIT(min, tmem_wse_min);
LIMIT(max, tmem_wse_max);

static ssize_t margin_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(tmem_wse_margin));
}

static ssize_t margin_store(struct kobject *kobj, struct kobj_attribute *attr,
			    const char *buf, size_t len)
{
	unsigned int margin;
	int err = kstrtouint(buf, 0, &margin);

	if (err)
		return err;
	if (margin > 100)
		return -EINVAL;
	WRITE_ONCE(tmem_wse_margin, margin);
	return len;
}

static struct kobj_attribute margin_attr = __ATTR_RW_MODE(margin, 0644);

/* If memory was so many percent of what it is */
static u64 missed_with(const struct tmem_wse_state *st, unsigned int percent)
{
	return tmem_wse_curve(&st->out, div_u64(st->in.total * percent, 100));
}

/* A file @_name that shows a number of the last decision, which is in st */
#define DECIDED(_name, _value)						\
static ssize_t _name##_show(struct kobject *kobj,			\
			    struct kobj_attribute *attr, char *buf)	\
{									\
	struct tmem_wse_state st;					\
									\
	tmem_wse_read(&st);						\
	return sysfs_emit(buf, "%lld\n", (s64)(_value));		\
}									\
									\
static struct kobj_attribute _name##_attr = __ATTR_RO(_name)

DECIDED(estimate, st.out.size << PAGE_SHIFT);
DECIDED(floor, st.out.floor << PAGE_SHIFT);
DECIDED(resident, st.out.resident << PAGE_SHIFT);
DECIDED(absent, st.out.absent << PAGE_SHIFT);
DECIDED(target, st.out.target << PAGE_SHIFT);
DECIDED(grant, st.grant << PAGE_SHIFT);
DECIDED(report, st.report);
DECIDED(confidence, st.out.confidence);
DECIDED(misses, st.out.misses);
DECIDED(pressure, st.in.pressure);
DECIDED(decisions, st.decisions);
DECIDED(spent_us, div_u64(st.spent_ns, NSEC_PER_USEC));

DECIDED(curve_25, missed_with(&st, 25));
DECIDED(curve_50, missed_with(&st, 50));
DECIDED(curve_75, missed_with(&st, 75));
DECIDED(curve_100, missed_with(&st, 100));
DECIDED(curve_125, missed_with(&st, 125));
DECIDED(curve_150, missed_with(&st, 150));
DECIDED(curve_200, missed_with(&st, 200));
DECIDED(curve_300, missed_with(&st, 300));
DECIDED(curve_400, missed_with(&st, 400));

static ssize_t sources_show(struct kobject *kobj, struct kobj_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "sample refaults%s%s\n",
			  lru_gen_enabled() ? " mglru" : "",
			  tmem_wse_has_psi() ? " psi" : "");
}

static struct kobj_attribute sources_attr = __ATTR_RO(sources);

static struct attribute *wse_attrs[] = {
	&mode_attr.attr,
	&min_attr.attr,
	&max_attr.attr,
	&margin_attr.attr,
	&estimate_attr.attr,
	&floor_attr.attr,
	&resident_attr.attr,
	&absent_attr.attr,
	&target_attr.attr,
	&grant_attr.attr,
	&report_attr.attr,
	&confidence_attr.attr,
	&misses_attr.attr,
	&pressure_attr.attr,
	&decisions_attr.attr,
	&spent_us_attr.attr,
	&curve_25_attr.attr,
	&curve_50_attr.attr,
	&curve_75_attr.attr,
	&curve_100_attr.attr,
	&curve_125_attr.attr,
	&curve_150_attr.attr,
	&curve_200_attr.attr,
	&curve_300_attr.attr,
	&curve_400_attr.attr,
	&sources_attr.attr,
	NULL
};

static const struct attribute_group wse_group = {
	.name = "wse",
	.attrs = wse_attrs,
};

/**
 * tmem_wse_sysfs_init - create the files
 * @parent: /sys/kernel/mm/tmem
 *
 * Return: 0 or -ENOMEM.
 */
int __init tmem_wse_sysfs_init(struct kobject *parent)
{
	return sysfs_create_group(parent, &wse_group);
}
