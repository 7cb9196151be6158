/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: the pages of a guest
 *
 * Whatever number a guest calls a frame by, what comes of it is a page of its
 * own, with a reference for as long as it is used, or no page.  To be written to,
 * a page has to be one that the guest itself could write to, and not a page
 * table, say.  Pages are found before the store is called, which maps them with
 * its locks held.
 */
#include <xen/domain_page.h>
#include <xen/paging.h>
#include <xen/sched.h>

#include <asm/p2m.h>

#include "tmem.h"

static struct page_info *page_get(struct domain *d, uint64_t frame, bool write)
{
    struct page_info *page;
    p2m_type_t p2mt;

    if ( frame >> (BITS_PER_LONG - PAGE_SHIFT - 1) )
        return NULL;
    /* get_page() would write to the log what a guest had better not be able to */
    if ( !paging_mode_translate(d) &&
         (!mfn_valid(_mfn(frame)) ||
          page_get_owner(mfn_to_page(_mfn(frame))) != d) )
        return NULL;
    if ( check_get_page_from_gfn(d, _gfn(frame), !write, &p2mt, &page) )
        return NULL;
    /* Neither grants nor foreign pages, nor read-only ones to write to */
    if ( page_get_owner(page) != d ||
         (write && p2mt != p2m_ram_rw && p2mt != p2m_ram_logdirty) ||
         (write && !get_page_type(page, PGT_writable_page)) )
    {
        put_page(page);
        return NULL;
    }
    return page;
}

static void page_put(struct page_info *page, bool write)
{
    if ( write )
        put_page_and_type(page);
    else
        put_page(page);
}

/* From a list of frames: each entry is read once */
static void list_get(struct domain *d, struct page_info *page, bool write,
                     unsigned int nr, struct tmem_data *data)
{
    const uint64_t *list = __map_domain_page(page);
    struct page_info *pg;

    for ( ; data->nr < nr; data->nr++ )
    {
        pg = page_get(d, ACCESS_ONCE(list[data->nr]), write);
        if ( !pg )
            break;
        data->pages[data->nr] = pg;
    }
    unmap_domain_page(list);
}

/*
 * Finds the pages of a request, up to the first that cannot be had.  Requests
 * that the store refuses anyway have none.
 */
void tmem_pages_get(struct domain *d, struct tmem_vcpu *tv,
                    const struct tmem_req *req, bool write,
                    struct tmem_data *data)
{
    bool run = req->op == TMEM_OP_PUT || req->op == TMEM_OP_GET;
    unsigned int nr = run ? req->nr_pages : 1;
    struct page_info *page;

    data->local = NULL;
    data->pages = tv->pages;
    data->nr = 0;
    if ( nr > TMEM_MAX_RUN || (!run && req->flags) )
        return;
    if ( req->flags & TMEM_REQ_LIST )
    {
        page = page_get(d, req->addr, false);
        if ( !page )
            return;
        list_get(d, page, write, nr, data);
        page_put(page, false);
        return;
    }
    for ( ; data->nr < nr && req->addr + data->nr >= req->addr; data->nr++ )
    {
        page = page_get(d, req->addr + data->nr, write);
        if ( !page )
            break;
        data->pages[data->nr] = page;
    }
}

/* Of pages that were got to be written to, the first @written may have been */
void tmem_pages_put(struct domain *d, struct tmem_data *data, bool write,
                    unsigned int written)
{
    unsigned int i;

    for ( i = 0; i < data->nr; i++ )
    {
        if ( write && i < written )
            paging_mark_dirty(d, page_to_mfn(data->pages[i]));
        page_put(data->pages[i], write);
    }
    data->nr = 0;
}
