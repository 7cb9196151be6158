/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: what the files of /sys/kernel/mm/tmem share
 */
#ifndef _MM_TMEM_SYSFS_H
#define _MM_TMEM_SYSFS_H

#include <linux/kobject.h>
#include <linux/kstrtox.h>
#include <linux/sysfs.h>

/* A file @_name that shows and sets the bool @_var */
#define TMEM_BOOL_ATTR(_name, _var)					\
static ssize_t _name##_show(struct kobject *kobj,			\
			    struct kobj_attribute *attr, char *buf)	\
{									\
	return sysfs_emit(buf, "%d\n", READ_ONCE(_var));		\
}									\
									\
static ssize_t _name##_store(struct kobject *kobj,			\
			     struct kobj_attribute *attr,		\
			     const char *buf, size_t len)		\
{									\
	bool value;							\
	int err = kstrtobool(buf, &value);				\
									\
	if (err)							\
		return err;						\
	WRITE_ONCE(_var, value);					\
	return len;							\
}									\
									\
static struct kobj_attribute _name##_attr = __ATTR_RW_MODE(_name, 0644)

#endif /* _MM_TMEM_SYSFS_H */
