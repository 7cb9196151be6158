// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: the virtio transport, devices that come and go
 */
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/pm.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/virtio_config.h>

#include "virtio_tmem.h"

static unsigned int device_id = VIRTIO_TMEM_DEVICE_ID;
module_param(device_id, uint, 0444);
MODULE_PARM_DESC(device_id, "Virtio device id of a store");

static const char * const count_names[] = {
	[VECTORS]	= "vectors",
	[BUFFERS]	= "buffers",
	[KICKS]		= "kicks",
	[INTERRUPTS]	= "interrupts",
	[SPINS_WON]	= "spins_won",
	[SLEEPS]	= "sleeps",
};

static const struct tmem_transport_ops virtio_tmem_ops = {
	.name = "virtio",
	.submit = virtio_tmem_submit,
};

/* ---- starting and stopping a device ---- */

/* Returns 0 and the number of queues that the device has, or an error */
static int read_config(struct virtio_tmem *vt, unsigned int *nr_queues)
{
	struct virtio_device *vdev = vt->vdev;
	u32 version, page_shift, max_pages;
	u16 queues, max_requests;

	if (!virtio_has_feature(vdev, VIRTIO_F_VERSION_1)) {
		dev_err(&vdev->dev, "not a device of virtio 1.0 or later\n");
		return -ENODEV;
	}
	virtio_cread_le(vdev, struct virtio_tmem_config, version, &version);
	virtio_cread_le(vdev, struct virtio_tmem_config, page_shift,
			&page_shift);
	virtio_cread_le(vdev, struct virtio_tmem_config, num_queues, &queues);
	virtio_cread_le(vdev, struct virtio_tmem_config, max_requests,
			&max_requests);
	virtio_cread_le(vdev, struct virtio_tmem_config, max_pages, &max_pages);
	if (version < TMEM_ABI_VERSION) {
		dev_err(&vdev->dev, "the store speaks version %u of the ABI, not %u\n",
			version, TMEM_ABI_VERSION);
		return -EOPNOTSUPP;
	}
	if (page_shift != PAGE_SHIFT) {
		dev_err(&vdev->dev, "pages of the store have %u bits, not %u\n",
			page_shift, PAGE_SHIFT);
		return -EINVAL;
	}
	if (!queues || !max_requests || max_pages < TMEM_MAX_RUN) {
		dev_err(&vdev->dev, "no use with %u queues, %u requests and %u pages a vector\n",
			queues, max_requests, max_pages);
		return -EINVAL;
	}
	vt->max_requests = umin(max_requests, VIRTIO_TMEM_MAX_REQUESTS);
	vt->max_pages = max_pages;
	*nr_queues = umin(queues, nr_cpu_ids);
	return 0;
}

static void set_queues(struct virtio_tmem *vt, struct virtqueue **vqs)
{
	unsigned int i;

	vt->max_pieces = PIECES_MAX;
	for (i = 0; i < vt->nr_queues; i++) {
		vt->queues[i].vq = vqs[i];
		vt->max_pieces = min(vt->max_pieces,
				     virtqueue_get_vring_size(vqs[i]));
		if (vt->nr_queues == nr_cpu_ids)
			virtqueue_set_affinity(vqs[i], cpumask_of(i));
	}
}

static int find_queues(struct virtio_tmem *vt)
{
	unsigned int nr = vt->nr_queues, i;
	struct virtqueue_info *infos;
	struct virtqueue **vqs;
	int err = -ENOMEM;

	infos = kcalloc(nr, sizeof(*infos), GFP_KERNEL);
	vqs = kcalloc(nr, sizeof(*vqs), GFP_KERNEL);
	if (!infos || !vqs)
		goto free;
	for (i = 0; i < nr; i++) {
		infos[i].name = vt->queues[i].name;
		infos[i].callback = virtio_tmem_callback;
	}
	err = virtio_find_vqs(vt->vdev, nr, vqs, infos, NULL);
	if (!err)
		set_queues(vt, vqs);
	else
		dev_err(&vt->vdev->dev, "cannot have %u queues: error %d\n", nr,
			err);
free:
	kfree(vqs);
	kfree(infos);
	return err;
}

/* Make a device that has been reset take requests */
static int start(struct virtio_tmem *vt)
{
	struct virtio_device *vdev = vt->vdev;
	unsigned int i;
	u64 run;
	int err;

	vt->max_bytes = min_t(size_t, virtio_max_dma_size(vdev), SZ_1G);
	vt->max_bytes = ALIGN_DOWN(vt->max_bytes, PAGE_SIZE) ?: PAGE_SIZE;
	err = find_queues(vt);
	if (err)
		return err;
	run = DIV_ROUND_UP_ULL((u64)TMEM_MAX_RUN << PAGE_SHIFT, vt->max_bytes);
	if (vt->max_pieces < 2 + run) {
		dev_err(&vdev->dev, "queues of %u are too small for %llu pieces\n",
			vt->max_pieces, 2 + run);
		vdev->config->del_vqs(vdev);
		return -EINVAL;
	}
	virtio_device_ready(vdev);
	mutex_lock(&vt->reset_lock);
	for (i = 0; i < vt->nr_queues; i++) {
		spin_lock_irq(&vt->queues[i].lock);
		WRITE_ONCE(vt->queues[i].dead, false);
		spin_unlock_irq(&vt->queues[i].lock);
	}
	vt->dead = false;
	mutex_unlock(&vt->reset_lock);
	return 0;
}

static void free_queues(struct virtio_tmem *vt)
{
	unsigned int i, j;

	for (i = 0; i < vt->nr_queues; i++)
		for (j = 0; j < BUFS; j++)
			kfree(vt->queues[i].bufs[j]);
	kfree(vt->queues);
}

static int init_queue(struct virtio_tmem *vt, unsigned int nr)
{
	struct virtio_tmem_queue *q = &vt->queues[nr];
	struct virtio_tmem_buf *buf;
	unsigned int i;

	spin_lock_init(&q->lock);
	q->vt = vt;
	q->dead = true;
	INIT_LIST_HEAD(&q->idle);
	init_waitqueue_head(&q->wait);
	snprintf(q->name, sizeof(q->name), "requests.%u", nr);
	for (i = 0; i < BUFS; i++) {
		buf = kzalloc(sizeof(*buf), GFP_KERNEL);
		if (!buf)
			return -ENOMEM;
		q->bufs[i] = buf;
		init_completion(&buf->done);
		list_add(&buf->node, &q->idle);
	}
	return 0;
}

static int alloc_queues(struct virtio_tmem *vt, unsigned int nr)
{
	unsigned int i;
	int err = 0;

	vt->queues = kcalloc(nr, sizeof(*vt->queues), GFP_KERNEL);
	if (!vt->queues)
		return -ENOMEM;
	vt->nr_queues = nr;
	for (i = 0; i < nr && !err; i++)
		err = init_queue(vt, i);
	if (err)
		free_queues(vt);
	return err;
}

/* Nothing is out any more, and nothing goes out */
static void stop(struct virtio_tmem *vt)
{
	virtio_tmem_give_up(vt);
	/* Where a restore has failed half-way it was given up before */
	virtio_reset_device(vt->vdev);
	cancel_work_sync(&vt->config_work);
	vt->vdev->config->del_vqs(vt->vdev);
}

/* ---- what can be seen of it ---- */

static ssize_t grant_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct virtio_device *vdev = dev_to_virtio(dev);
	u64 grant;

	virtio_cread_le(vdev, struct virtio_tmem_config, grant, &grant);
	return sysfs_emit(buf, "%llu\n", grant);
}
static DEVICE_ATTR_RO(grant);

static struct attribute *virtio_tmem_attrs[] = {
	&dev_attr_grant.attr,
	NULL
};
ATTRIBUTE_GROUPS(virtio_tmem);

static void tell_config(struct work_struct *work)
{
	struct virtio_tmem *vt = container_of(work, struct virtio_tmem,
					      config_work);
	u64 grant;

	virtio_cread_le(vt->vdev, struct virtio_tmem_config, grant, &grant);
	dev_dbg(&vt->vdev->dev, "grant of %llu pages\n", grant);
	sysfs_notify(&vt->vdev->dev.kobj, NULL, dev_attr_grant.attr.name);
}

static void virtio_tmem_config_changed(struct virtio_device *vdev)
{
	struct virtio_tmem *vt = vdev->priv;

	schedule_work(&vt->config_work);
}

static int count_get(void *data, u64 *sum)
{
	struct virtio_tmem_file *file = data;
	struct virtio_tmem_queue *q;
	unsigned int i;

	*sum = 0;
	for (i = 0; i < file->vt->nr_queues; i++) {
		q = &file->vt->queues[i];
		spin_lock_irq(&q->lock);
		*sum += q->counts[file->what];
		spin_unlock_irq(&q->lock);
	}
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(count_fops, count_get, NULL, "%llu\n");

static void add_debugfs(struct virtio_tmem *vt)
{
	int i;

	vt->debugfs = debugfs_create_dir(KBUILD_MODNAME, NULL);
	for (i = 0; i < NR_COUNTS; i++) {
		vt->files[i].vt = vt;
		vt->files[i].what = i;
		debugfs_create_file_unsafe(count_names[i], 0444, vt->debugfs,
					   &vt->files[i], &count_fops);
	}
}

/* ---- the driver ---- */

static int virtio_tmem_probe(struct virtio_device *vdev)
{
	struct virtio_tmem *vt = kzalloc(sizeof(*vt), GFP_KERNEL);
	unsigned int nr;
	int err;

	if (!vt)
		return -ENOMEM;
	vdev->priv = vt;
	vt->vdev = vdev;
	vt->transport.ops = &virtio_tmem_ops;
	vt->dead = true;
	mutex_init(&vt->reset_lock);
	INIT_WORK(&vt->config_work, tell_config);
	err = read_config(vt, &nr);
	if (err)
		goto free;
	err = alloc_queues(vt, nr);
	if (err)
		goto free;
	err = start(vt);
	if (err)
		goto free_queues;
	err = tmem_transport_register(&vt->transport);
	if (err) {
		dev_err(&vdev->dev, "the store is not used: error %d%s\n", err,
			err == -EEXIST ? ", there is another one" : "");
		goto stop;
	}
	add_debugfs(vt);
	return 0;

stop:
	stop(vt);
free_queues:
	free_queues(vt);
free:
	kfree(vt);
	return err;
}

/*
 * What the store keeps of swap is moved to the swap devices, unless the device
 * is broken, or takes too long for an answer.
 */
static void virtio_tmem_remove(struct virtio_device *vdev)
{
	struct virtio_tmem *vt = vdev->priv;

	WRITE_ONCE(vt->leaving, true);
	debugfs_remove_recursive(vt->debugfs);
	tmem_transport_unregister(&vt->transport);
	stop(vt);
	free_queues(vt);
	kfree(vt);
}

/*
 * The core has left the store before devices sleep; but not in a kernel that
 * makes room for one which comes back from a disk.
 */
static int virtio_tmem_freeze(struct virtio_device *vdev)
{
	stop(vdev->priv);
	return 0;
}

static int virtio_tmem_restore(struct virtio_device *vdev)
{
	struct virtio_tmem *vt = vdev->priv;
	unsigned int nr;
	int err = read_config(vt, &nr);

	if (err)
		return err;
	if (nr < vt->nr_queues) {
		dev_err(&vdev->dev, "%u queues before sleep, %u now\n",
			vt->nr_queues, nr);
		return -EINVAL;
	}
	return start(vt);
}

static struct virtio_device_id id_table[] = {
	{ VIRTIO_TMEM_DEVICE_ID, VIRTIO_DEV_ANY_ID },
	{ 0 },
};
MODULE_DEVICE_TABLE(virtio, id_table);

static struct virtio_driver virtio_tmem_driver = {
	.driver.name		= KBUILD_MODNAME,
	.driver.dev_groups	= virtio_tmem_groups,
	.id_table		= id_table,
	.probe			= virtio_tmem_probe,
	.remove			= virtio_tmem_remove,
	.config_changed		= virtio_tmem_config_changed,
	.freeze			= pm_sleep_ptr(virtio_tmem_freeze),
	.restore		= pm_sleep_ptr(virtio_tmem_restore),
};

static int __init virtio_tmem_init(void)
{
	if (!device_id) {
		pr_err(KBUILD_MODNAME ": device_id=0: no device has it\n");
		return -EINVAL;
	}
	id_table[0].device = device_id;
	return register_virtio_driver(&virtio_tmem_driver);
}
module_init(virtio_tmem_init);

static void __exit virtio_tmem_exit(void)
{
	unregister_virtio_driver(&virtio_tmem_driver);
}
module_exit(virtio_tmem_exit);

MODULE_DESCRIPTION("Virtio transport of transcendent memory");
MODULE_LICENSE("GPL");
