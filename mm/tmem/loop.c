// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: the loop transport, a store in this kernel's own memory
 *
 * A function call carries a request.  The store lives in memory that
 * tmem_loop.reserve= takes away from the kernel at boot, so a machine with a
 * large reservation behaves as a small guest with a large pool.
 */
#define pr_fmt(fmt) "tmem_loop: " fmt

#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/lz4.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/sizes.h>
#include <linux/suspend.h>
#include <linux/tmem.h>

#include "codec.h"

static u32 lz4_encode(void *work, const void *page, void *out, u32 room)
{
	return LZ4_compress_default(page, out, PAGE_SIZE, room, work);
}

static bool lz4_decode(void *work, const void *in, u32 bytes, void *page)
{
	return LZ4_decompress_safe(in, page, bytes, PAGE_SIZE) == PAGE_SIZE;
}

static const struct tstore_codec lz4_codec = {
	.name = "lz4",
	.id = TSTORE_CODEC_LZ4,
	.work = LZ4_MEM_COMPRESS,
	.encode = lz4_encode,
	.decode = lz4_decode,
};

static const struct tstore_codec * const lz4_codecs[] = { &lz4_codec, NULL };

/* What the rest of the kernel has to be left with */
#define KERNEL_MIN	(32 * SZ_1M)

static struct tstore *store;
static struct tstore_client *client;

/* Set by the boot parameter; then the arena */
static char reserve_arg[16] __initdata;
static phys_addr_t reserve_bytes;
static void *arena;

static int __init reserve_param(char *str)
{
	if (!str)
		return -EINVAL;
	strscpy(reserve_arg, str);
	return 0;
}
early_param("tmem_loop.reserve", reserve_param);

static char codec_arg[16] __initdata = "none";

static int __init codec_param(char *str)
{
	if (!str)
		return -EINVAL;
	strscpy(codec_arg, str);
	return 0;
}
early_param("tmem_loop.codec", codec_param);

/**
 * tmem_loop_reserve - set the memory of the store aside
 *
 * Context: Boot, while memblock is the allocator.
 */
void __init tmem_loop_reserve(void)
{
	phys_addr_t total = memblock_phys_mem_size();
	phys_addr_t taken = memblock_reserved_size();
	unsigned long long bytes;
	char *end;

	if (!*reserve_arg)
		return;
	bytes = memparse(reserve_arg, &end);
	if (*end || end == reserve_arg) {
		pr_err("reserve=%s: not a size, going on without a store\n",
		       reserve_arg);
		return;
	}
	bytes = PAGE_ALIGN_DOWN(bytes);
	if (!bytes) {
		pr_err("reserve=%s: no room for a page, going on without a store\n",
		       reserve_arg);
		return;
	}
	if (taken + KERNEL_MIN > total || bytes > total - taken - KERNEL_MIN) {
		pr_err("reserve=%s: of %llu MiB of memory %llu MiB are in use and the kernel needs %u MiB, going on without a store\n",
		       reserve_arg, (u64)total / SZ_1M, (u64)taken / SZ_1M,
		       KERNEL_MIN / SZ_1M);
		return;
	}
	arena = memblock_alloc_raw(bytes, PAGE_SIZE);
	if (!arena) {
		pr_err("reserve=%s: no such piece of memory is free, going on without a store\n",
		       reserve_arg);
		return;
	}
	reserve_bytes = bytes;
	/* An image of hibernation would have to have room for all of it */
	register_nosave_region(PFN_DOWN(__pa(arena)),
			       PFN_UP(__pa(arena) + bytes));
}

static int loop_submit(struct tmem_transport *t, struct tmem_io *ios,
		       unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		tstore_execute(client, &ios[i].req, ios[i].page);
	return 0;
}

/* After hibernation the arena holds what another kernel had there */
static void loop_resume(struct tmem_transport *t)
{
	tstore_reset(store);
}

static const struct tmem_transport_ops loop_ops = {
	.name = "loop",
	.submit = loop_submit,
	.resume = loop_resume,
};

static struct tmem_transport loop_transport = { .ops = &loop_ops };

static int __init loop_init(void)
{
	struct tstore_config cfg = {
		.arena = arena,
		.bytes = reserve_bytes,
		.max_clients = 1,
		.seed = get_random_u64(),
	};
	int err;

	if (!arena)
		return 0;
	if (!strcmp(codec_arg, "lz4"))
		cfg.codecs = lz4_codecs;
	else if (strcmp(codec_arg, "none"))
		pr_err("codec=%s: neither lz4 nor none, going on with none\n",
		       codec_arg);
	err = tstore_create(&cfg, &store);
	if (err)
		goto fail;
	err = tstore_client_create(store, reserve_bytes >> PAGE_SHIFT, &client);
	if (err)
		goto destroy;
	err = tmem_transport_register(&loop_transport);
	if (err)
		goto destroy_client;
	pr_info("store of %llu MiB%s\n", (u64)reserve_bytes / SZ_1M,
		cfg.codecs ? ", packed with lz4" : "");
	return 0;

destroy_client:
	tstore_client_destroy(client);
destroy:
	tstore_destroy(store);
fail:
	pr_err("no store in %llu KiB: error %d\n", (u64)reserve_bytes / SZ_1K,
	       err);
	return err;
}
subsys_initcall(loop_init);
