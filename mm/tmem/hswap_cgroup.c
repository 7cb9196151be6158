// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: memory.hswap.enabled, for cgroups that keep their pages
 *
 * Documentation/admin-guide/cgroup-v2.rst says what it does.
 */
#include <linux/cgroup.h>
#include <linux/init.h>
#include <linux/memcontrol.h>

#include "internal.h"

/**
 * tmem_hswap_excluded - does a folio's cgroup keep its pages out of hswap?
 * @folio: the folio, locked
 *
 * Context: Reclaim.
 * Return: true if the cgroup or one above it does.
 */
bool tmem_hswap_excluded(struct folio *folio)
{
	struct mem_cgroup *memcg = folio_memcg(folio);

	for (; memcg; memcg = parent_mem_cgroup(memcg))
		if (READ_ONCE(memcg->hswap_excluded))
			return true;
	return false;
}

static u64 enabled_read(struct cgroup_subsys_state *css, struct cftype *cft)
{
	return !READ_ONCE(mem_cgroup_from_css(css)->hswap_excluded);
}

static int enabled_write(struct cgroup_subsys_state *css, struct cftype *cft,
			 u64 value)
{
	if (value > 1)
		return -EINVAL;
	WRITE_ONCE(mem_cgroup_from_css(css)->hswap_excluded, !value);
	return 0;
}

static struct cftype files[] = {
	{
		.name = "hswap.enabled",
		.flags = CFTYPE_NOT_ON_ROOT,
		.read_u64 = enabled_read,
		.write_u64 = enabled_write,
	},
	{}
};

static int __init hswap_cgroup_init(void)
{
	if (!tmem_on() || mem_cgroup_disabled())
		return 0;
	return cgroup_add_dfl_cftypes(&memory_cgrp_subsys, files);
}
late_initcall(hswap_cgroup_init);
