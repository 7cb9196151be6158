# SPDX-License-Identifier: GPL-2.0
# make help says what there is.

vm := tools/testing/tmem/vm

.DEFAULT_GOAL := help

help: ## these lines
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  $(vm) --help     run commands in guests"

deps: ## install the Debian packages that building and running guests take
	@scripts/deps

apply: ## make the patched Linux tree, and print where it is
	@scripts/apply

kernel: ## build the kernel for User-Mode Linux guests
	@scripts/build --config uml

kernel-x86: ## build the kernel for x86-64 guests
	@scripts/build --config x86

kernel-debug: ## build the x86-64 kernel with lockdep, KASAN and fault injection
	@scripts/build --config x86 --debug

qemu: ## build the QEMU that has the device of transcendent memory, and print where it is
	@scripts/build-qemu

xen: ## build the Xen hypervisor that has transcendent memory, and print where it is
	@scripts/build-xen

demo: ## two guests read files, with memory divided and with a pool; then memory follows the loads of four guests; TRANSPORT=loop: one guest, which swaps, too; TRANSPORT=xen: a pool of Xen's, and memory that moves: build/demo/
	@scripts/demo

bench-guest: ## what a page costs, and what it gains, beside zswap, zram and a disk (an hour): build/bench/
	@scripts/bench-guest

bench-store: ## what an operation of the page store costs, beside memcpy and memcached (some minutes): build/bench-store/
	@scripts/bench-store

bench-xen: ## what a hypercall of Xen's costs beside the store alone, in instructions (half a minute): build/bench-xen/
	@scripts/bench-xen

bench-loop: ## what it is worth that memory follows the loads of guests, by balloons and a pool (some hours): build/bench-loop/
	@scripts/bench-loop

bench-wse: ## how right the working-set estimator is, and what it costs (an hour): build/bench-wse/
	@scripts/bench-wse

test-store: ## the tests of the page store alone, in processes (less than a minute; 03-store of check has all)
	@scripts/deps store
	@$(MAKE) --no-print-directory -j2 -C tools/testing/tmem/store quick

replay: ## tools/tmem/replay/tmem-trace's store, which executes traces of requests: build/replay/
	@$(MAKE) -s --no-print-directory -C tools/tmem/replay

tmemd: ## the daemon that keeps pages for the guests of a machine, tmemctl and tmem-sched: build/tmemd/
	@scripts/deps tmemd
	@$(MAKE) -s --no-print-directory -C tools/tmem/tmemd
	@$(MAKE) -s --no-print-directory -C tools/tmem/tmemctl
	@$(MAKE) -s --no-print-directory -C tools/tmem/sched

shell: ## a guest with a shell, on this terminal
	@$(vm) shell

kunit: ## run the KUnit suites of tmem
	@$(vm) kunit 'tmem*'

check: ## all tests; scripts/check NAME... runs some, scripts/check --list names them
	@scripts/check

series: ## write the repository as series of mails, to build/series/ for Linux and to build/series-xen/ for Xen
	@scripts/series
	@scripts/series-xen

check-xen-guests: ## the tests of guests in guests of Xen, PV and PVH, with the store in it (slow)
	@status=0; for guest in xen-pv xen-pvh; do \
		echo "$$guest:"; scripts/check --guest $$guest || status=1; \
	done; exit $$status

check-series: ## build and boot the kernel after every mail of the series (slow)
	@scripts/check-series

check-faults: ## all coherence tests in guests whose store misbehaves in every way (slow)
	@scripts/check-faults

clean: ## remove build/ (the cache of kernels is in ~/.cache/tmem)
	rm -rf build

.PHONY: help deps apply kernel kernel-x86 kernel-debug qemu xen demo bench-guest bench-store bench-loop bench-wse bench-xen test-store replay tmemd shell kunit check series \
	check-xen-guests check-series check-faults clean
