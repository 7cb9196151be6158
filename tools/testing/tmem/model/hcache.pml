/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of hcache's coherence: one page of one file
 *
 * What is modelled: the slot of the page cache with its folio, the folio's lock
 * and references, the page on the disk, the page's bit in the index and the
 * blocking of its range, the copy in the store with its sequence number, the
 * queue of lazy flushes, the locks of the inode and of its mapping.  Contents
 * are version numbers; each write makes a new one.  Each step of an actor that
 * others can see is one step here; what a lock makes atomic is atomic.
 *
 * Actors:
 *   reader	   find or insert a folio, take the bit, get or read the disk
 *   evictor	   lock, write back, put, set the bit, remove, or forget
 *   direct	   direct write: invalidate, write the disk, invalidate
 *   buffered	   find or insert, lock, overwrite, dirty; holds a reference
 *   truncate	   truncate and extend again: as a write of zeroes
 *   inode	   the inode is reclaimed and read back, or the file is deleted
 *		   and its number and generation are used again
 *   rekey	   the generation is changed and changed back
 *   host	   the store drops its copy, or dies with all it has
 *   flusher	   sends a lazy flush, as late as it likes
 * An actor acts as often as the macro of its name says, 0 if that is undefined:
 * check.sh knows the combinations.  Readers and evictors are processes.
 *
 * Properties:
 *   1. No read returns a version older than that of the last write that was
 *	complete when the read began.
 *   2. When all is quiet, neither the page cache nor the store, if the bit is
 *	set, has anything but the last version.
 *   3. For a resident page that is not locked the bit is 0.
 *   4. A get with proof fails only if the host dropped something: no flush
 *	hits a newer copy than it was meant for.
 * and no actor waits for ever.
 *
 * Defining one of these breaks the protection, and an error must be found:
 *   BREAK_CLEAR_AFTER	 clear the bits after the scan instead of blocking
 *   BREAK_CLEAR_BEFORE	 clear them before the scan, block nothing
 *   BREAK_NO_TAKE	 inserting a folio looks at the bit but leaves it
 *   BREAK_EMPTY	 no invalidation when nothing is in the page cache
 *   BREAK_POST		 no invalidation after a direct write
 *   BREAK_UNKNOWN	 a put of unknown or bad status counts as stored
 *   BREAK_SET_EARLY	 set the bit before the put, whatever comes of it
 *   BREAK_FORGET	 no forget when the removal fails
 *   BREAK_FLUSH_SEQ	 the store ignores the sequence number of a flush
 *   BREAK_REUSE	 a deleted file keeps its bits
 *   BREAK_REKEY	 no invalidation when the generation changes
 *   BREAK_REKEY_WAIT	 do not wait for puts under the old generation
 *   BREAK_REKEY_GET	 the generation changes between a take and its get
 *
 * Not modelled: several pages a folio, several carriers, the shrinker of the
 * index (it only clears bits), memory ordering (all is sequentially consistent),
 * the mark of files that have no object.
 */

#ifndef READERS
#define READERS		1	/* processes */
#endif
#ifndef READS
#define READS		2	/* reads of each */
#endif
#ifndef EVICTORS
#define EVICTORS	1
#endif
#ifndef EVICTIONS
#define EVICTIONS	2
#endif
#ifndef DIRECT
#define DIRECT		0
#endif
#ifndef BUFFERED
#define BUFFERED	0
#endif
#ifndef TRUNCATE
#define TRUNCATE	0
#endif
#ifndef INODE
#define INODE		0
#endif
#ifndef REKEY
#define REKEY		0
#endif
#ifndef HOST
#define HOST		0
#endif
#ifndef FLUSHES
#define FLUSHES		0
#endif

#if REKEY
#define KEYS	2
#else
#define KEYS	1
#endif

/* The slot of the page cache, and the folio in it */
bool resident, uptodate, dirty;
byte locked;			/* 0, or 1 + pid of the owner */
byte refs;			/* references beside the page cache's */
byte contents;

/* The disk */
byte disk;

/* The index; key is the generation of the file */
bit key;
bool set[KEYS];
byte blocked[KEYS];

/* The store */
bool has[KEYS];
byte copy[KEYS], copy_seq[KEYS];
bool excused[KEYS];		/* a copy may be missing without a flush */

/* One lazy flush under way; more are dropped, as by a full queue */
bool flush_queued;
bit flush_key;
byte flush_seq, seq;

/* Writers, and those who hold the inode */
bool inode_lock, mapping_excl;
byte mapping_shared, users;
byte putting;			/* evictors inside their SRCU section */
byte newest, complete;		/* last version begun; completed */
byte running, daemons;		/* actors that have not ended */

#define ME	(_pid + 1)

/* NO_INVARIANT: what happens if nobody looks at property 3? */
#ifdef NO_INVARIANT
#define INVARIANT	true
#else
#define INVARIANT	!(resident && set[key])
#endif

inline lock_folio()
{
	atomic { locked == 0 -> locked = ME }
}

inline unlock_folio()
{
	atomic {
		assert(INVARIANT);	/* property 3 */
		locked = 0
	}
}

/* Under the shard's lock; @how makes a flush late */
inline queue_flush(k)
{
	if
	:: FLUSHES && !flush_queued ->
		flush_queued = true;
		flush_key = k;
		flush_seq = seq
	:: else
	fi
}

inline clear_bit(k)
{
	if
	:: set[k] -> set[k] = false; queue_flush(k)
	:: else
	fi
}

/* Remove the folio of the page, clean or not; waits for its lock */
inline scan()
{
	do
	:: atomic { !resident -> break }
	:: atomic {
		resident && locked == 0 ->
		resident = false;
		uptodate = false;
		dirty = false
	   }
	od
}

inline invalidate()
{
#if defined(BREAK_EMPTY)
	if
	:: !resident
	:: else ->
#endif
#if defined(BREAK_CLEAR_AFTER)
	scan();
	atomic { clear_bit(key) }
#elif defined(BREAK_CLEAR_BEFORE)
	atomic { clear_bit(key) };
	scan()
#else
	atomic { clear_bit(key); blocked[key]++ };
	scan();
	blocked[key]--
#endif
#if defined(BREAK_EMPTY)
	fi
#endif
}

inline write_back()
{
	atomic {
		if
		:: resident && dirty -> disk = contents; dirty = false
		:: else
		fi
	}
}

/* Who inserts a folio, still locked, finds out whether the store has it */
inline take(had)
{
	atomic {
		had = set[key];
#ifndef BREAK_NO_TAKE
		set[key] = false
#endif
	}
}

proctype reader()
{
	byte least, n;
	bool had;

	do
	:: n == READS -> break
	:: else ->
		atomic { users != 255 -> users++; least = complete }
		if
		:: atomic {
			resident && uptodate ->
			assert(contents >= least)	/* property 1 */
		   }
		:: atomic {
			!resident && !mapping_excl ->
			mapping_shared++;
			resident = true;
			uptodate = false;
			dirty = false;
			locked = ME
		   };
			take(had);
			if
			:: had && has[key] -> contents = copy[key]
			:: had && !has[key] ->
				assert(excused[key]);	/* property 4 */
				contents = disk
			:: !had -> contents = disk
			fi;
			atomic {
				uptodate = true;
				mapping_shared--;
				assert(contents >= least)
			};
			unlock_folio()
		fi;
		n++;
		users--
	od;
	running--
}

/* The store gets a copy, or it does not and keeps or drops what it had */
inline put(k, mine, accepted)
{
	if
	:: atomic {
		has[k] = true;
		copy[k] = contents;
		copy_seq[k] = mine;
		excused[k] = false;
		accepted = true
	   }
	:: atomic { accepted = false }			/* refused, old kept */
	:: atomic { has[k] = false; accepted = false }	/* refused */
#if HOST
	:: atomic {					/* stored, unknown */
		has[k] = true;
		copy[k] = contents;
		copy_seq[k] = mine;
		accepted = false
	   }
	:: atomic { has[k] = false; accepted = false }	/* lost, unknown */
#endif
	fi
}

proctype evictor()
{
	byte n, mine;
	bit k;
	bool accepted, gone;

	do
	:: n == EVICTIONS -> break
	:: running == 0 -> break	/* nobody is left to insert a folio */
	:: atomic {
		n < EVICTIONS && resident && uptodate && locked == 0 ->
		locked = ME;
		n++
	   };
		write_back();
		accepted = false;
		if
		:: true			/* not wanted: evicted without a put */
		:: true ->
			atomic {
				putting++;
				k = key;
				seq++;
				mine = seq
			};
#ifdef BREAK_SET_EARLY
			atomic { set[k] = (blocked[k] == 0) };
#endif
			put(k, mine, accepted);
#ifdef BREAK_UNKNOWN
			accepted = true;
#endif
			atomic {
				if
				:: accepted && !blocked[k] -> set[k] = true
				:: accepted && blocked[k] -> queue_flush(k)
				:: else
				fi
			};
			putting--
		fi;
		/* The lock is the folio's: a folio that is removed takes it along */
		atomic {
			gone = (refs == 0 && !dirty);
			if
			:: gone -> resident = false; uptodate = false; locked = 0
			:: else
			fi
		};
		if
		:: gone
		:: else ->
#ifndef BREAK_FORGET
			atomic { clear_bit(key) };
#endif
			unlock_folio()
		fi
	od;
	daemons--
}

inline begin_write()
{
	atomic {
		!inode_lock ->
		inode_lock = true;
		users++;
		newest++
	}
}

inline end_write()
{
	atomic {
		complete = newest;
		inode_lock = false;
		users--
	}
}

proctype direct()
{
	byte n;

	do
	:: n == DIRECT -> break
	:: else ->
		begin_write();
		write_back();
		invalidate();
		disk = newest;
#ifndef BREAK_POST
		invalidate();
#endif
		end_write();
		n++
	od;
	running--
}

proctype buffered()
{
	byte n;
	bool had;

	do
	:: n == BUFFERED -> break
	:: else ->
		begin_write();
		if
		:: atomic { resident -> refs++ };
			/* A reference, not yet the lock */
			lock_folio()
		:: atomic {
			!resident ->
			resident = true;
			uptodate = false;
			dirty = false;
			locked = ME;
			refs++
		   };
			/* A whole page: what the store has is not wanted */
			take(had);
			atomic {
				if
				:: had -> queue_flush(key)
				:: else
				fi
			}
		fi;
		atomic { contents = newest; uptodate = true; dirty = true };
		unlock_folio();
		refs--;
		end_write();
		n++
	od;
	running--
}

proctype truncate()
{
	byte n;

	do
	:: n == TRUNCATE -> break
	:: else ->
		begin_write();
		atomic {
			!mapping_excl && mapping_shared == 0 ->
			mapping_excl = true
		};
		invalidate();
		disk = newest;
		mapping_excl = false;
		end_write();
		n++
	od;
	running--
}

/* Nobody has the file open; reclaim may still be at work on its folio */
proctype inode()
{
	byte n;

	do
	:: n == INODE -> break
	:: else ->
		atomic { users == 0 && !inode_lock ->
			inode_lock = true;
			users = 255
		};
		if
		:: true ->		/* reclaimed and read back */
			write_back();
			scan()
		:: true ->		/* deleted, the key used again */
#ifdef BREAK_REUSE
			scan();
#else
			invalidate();
#endif
			newest++;
			disk = newest
		fi;
		atomic {
			complete = newest;
			users = 0;
			inode_lock = false
		};
		n++
	od;
	running--
}

/* Two changes make a round; in between there may be writes */
proctype rekey()
{
	byte n;
	bit old;

	do
	:: n == 2 * REKEY -> break
	:: else ->
		atomic { !inode_lock -> inode_lock = true; users++; old = key };
#ifndef BREAK_REKEY_GET
		atomic {
			!mapping_excl && mapping_shared == 0 ->
			mapping_excl = true
		};
#endif
#ifdef BREAK_REKEY
		key = 1 - key;
#else
		atomic { clear_bit(old); blocked[old]++ };
		key = 1 - key;
#ifndef BREAK_REKEY_WAIT
		putting == 0;
#endif
		blocked[old]--;
#endif
		atomic {
			mapping_excl = false;
			inode_lock = false;
			users--;
			n++
		}
	od;
	running--
}

proctype host()
{
	byte n;

	do
	:: n == HOST -> break
	:: else ->
		atomic { has[0] = false; excused[0] = true };
#if REKEY
		atomic { has[1] = false; excused[1] = true };
#endif
		n++
	od;
	running--
}

proctype flusher()
{
	byte n;

	do
	:: n == FLUSHES -> break
	:: running == 0 -> break
	:: atomic {
		n < FLUSHES && flush_queued ->
		flush_queued = false;
		if
#ifdef BREAK_FLUSH_SEQ
		:: true -> has[flush_key] = false
#else
		:: flush_seq >= copy_seq[flush_key] -> has[flush_key] = false
		:: else
#endif
		fi;
		n++
	   }
	od;
	daemons--
}

init
{
	byte i;

	atomic {
		running = READERS;
		daemons = EVICTORS;
		for (i : 1 .. READERS) { run reader() }
		for (i : 1 .. EVICTORS) { run evictor() }
#if DIRECT
		running++; run direct();
#endif
#if BUFFERED
		running++; run buffered();
#endif
#if TRUNCATE
		running++; run truncate();
#endif
#if INODE
		running++; run inode();
#endif
#if REKEY
		running++; run rekey();
#endif
#if HOST
		running++; run host();
#endif
#if FLUSHES
		daemons++; run flusher();
#endif
	}
	atomic {
		running == 0 && daemons == 0 ->
		assert(locked == 0 && refs == 0 && users == 0);
		assert(!resident || contents == newest);	/* property 2 */
		assert(resident || disk == newest);
		assert(!set[key] || !has[key] || copy[key] == newest)
	}
}
