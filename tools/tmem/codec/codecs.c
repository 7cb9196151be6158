// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: codecs of libraries, for stores in processes
 */
#define ZSTD_STATIC_LINKING_ONLY
#include <lz4.h>
#include <zstd.h>

#include "codecs.h"

/* The fastest level that still looks for matches in all of a page */
#define ZSTD_LEVEL	1

static u32 liblz4_encode(void *work, const void *page, void *out, u32 room)
{
	return LZ4_compress_fast_extState(work, page, out, PAGE_SIZE, room, 1);
}

static bool liblz4_decode(void *work __always_unused, const void *in, u32 bytes,
			  void *page)
{
	return LZ4_decompress_safe(in, page, bytes, PAGE_SIZE) ==
	       (int)PAGE_SIZE;
}

const struct tstore_codec tmem_liblz4 = {
	.name = "liblz4",
	.id = TSTORE_CODEC_LZ4,
	.work = sizeof(LZ4_stream_t),
	.encode = liblz4_encode,
	.decode = liblz4_decode,
};

static size_t zstd_cctx_bytes;

static u32 libzstd_encode(void *work, const void *page, void *out, u32 room)
{
	ZSTD_CCtx *ctx = ZSTD_initStaticCCtx(work, zstd_cctx_bytes);
	size_t bytes;

	bytes = ZSTD_compressCCtx(ctx, out, room, page, PAGE_SIZE, ZSTD_LEVEL);
	return ZSTD_isError(bytes) ? 0 : bytes;
}

static bool libzstd_decode(void *work, const void *in, u32 bytes, void *page)
{
	ZSTD_DCtx *ctx = ZSTD_initStaticDCtx(work, tmem_libzstd.work);

	return ZSTD_decompressDCtx(ctx, page, PAGE_SIZE, in, bytes) ==
	       PAGE_SIZE;
}

struct tstore_codec tmem_libzstd = {
	.name = "libzstd",
	.id = TSTORE_CODEC_ZSTD,
	.encode = libzstd_encode,
	.decode = libzstd_decode,
};

/**
 * tmem_libzstd_init() - find out how much memory libzstd needs
 */
void tmem_libzstd_init(void)
{
	ZSTD_compressionParameters level =
		ZSTD_getCParams(ZSTD_LEVEL, PAGE_SIZE, 0);
	size_t decode = ZSTD_estimateDCtxSize();

	zstd_cctx_bytes = ZSTD_estimateCCtxSize_usingCParams(level);
	tmem_libzstd.work = zstd_cctx_bytes > decode ? zstd_cctx_bytes : decode;
}
