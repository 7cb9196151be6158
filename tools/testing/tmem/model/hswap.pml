/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of hswap: one slot of a swap device
 *
 * The owner of the slot swaps a page out, reads it back, swaps it out again, or
 * frees the slot, which then has another owner.  Contents are version numbers.
 * The worker makes flushes of the slot's garbage bit, and a flush arrives as
 * late as it likes.  The store may refuse a put, and its answer may be lost.
 *
 * Properties:
 *   1. A page that is read back is the one that was swapped out last.
 *   2. When all is quiet, the store has nothing that nobody will flush.
 *
 * Defining one of these breaks the protection, and an error must be found:
 *   BREAK_FORGET	the slot keeps its bit when its page is stored anew
 *   BREAK_FREE		the slot keeps its bit when it is freed
 *   BREAK_NO_TAKE	a put leaves the garbage bit of its slot
 *   BREAK_PUT_LOCK	a put gets its number before it takes the bit
 *   BREAK_NUMBER_LATE	the worker takes a bit before it reads the number
 *   BREAK_NUMBER_EARLY	the worker reads the number before it takes a bit
 *   BREAK_SEQ		the store ignores the number of a flush
 *   BREAK_UNKNOWN	a put whose answer was lost leaves no garbage bit
 *   BREAK_DISK		what the store does not return is read from the disk
 */

#ifndef WRITES
#define WRITES	4
#endif
#ifndef FLUSHES
#define FLUSHES	3
#endif
/* HOST: the store loses what it has accepted */

/* The slot's bits, and the number of the last put */
bool stored, garbage;
byte seq;

/* The store and the device */
bool has;
byte copy, copy_seq, disk;

bool freed;			/* the slot is nobody's */
bool owner_done, worker_done;

inline drop()
{
	/* The owner's: nobody else changes the bit meanwhile */
	if
	:: stored -> stored = false; garbage = true
	:: else
	fi
}

inline put(version, accepted)
{
	byte mine;

#if defined(BREAK_PUT_LOCK)
	atomic { seq++; mine = seq };
	garbage = false;
#elif defined(BREAK_NO_TAKE)
	atomic { seq++; mine = seq };
#else
	atomic { garbage = false; seq++; mine = seq };	/* hs->lock */
#endif
	if
	:: atomic { has = true; copy = version; copy_seq = mine; accepted = true }
	:: atomic { has = false; accepted = false }		/* refused */
	:: atomic { has = true; copy = version; copy_seq = mine; accepted = false };
		/* accepted, but nobody hears of it */
#ifndef BREAK_UNKNOWN
		garbage = true
#endif
	fi
}

inline read_back(version)
{
	if
	:: stored ->
		if
		:: atomic { has -> assert(copy == version) }	/* property 1 */
#if defined(BREAK_DISK)
		:: atomic { !has -> assert(disk == version) }
#elif defined(HOST)
		:: !has			/* the read fails */
#else
		:: atomic { !has -> assert(false) }
#endif
		fi
	:: else -> assert(disk == version)
	fi
}

active proctype owner()
{
	byte version;
	bool accepted;

	do
	:: version == WRITES -> break
	:: else ->
		version++;
		freed = false;
#ifndef BREAK_FORGET
		drop();
#endif
		put(version, accepted);
		if
		:: accepted -> stored = true
		:: else -> disk = version
		fi;
		read_back(version);
		if
		:: true		/* dirtied, and swapped out again */
		:: true ->	/* freed, and somebody else's */
#ifndef BREAK_FREE
			drop();
#endif
			freed = true
		fi
	od;
	owner_done = true
}

active proctype worker()
{
	byte number, n;

	do
	:: n == FLUSHES || (owner_done && !garbage) -> break
	:: n < FLUSHES && garbage ->
#if defined(BREAK_NUMBER_LATE)
		if
		:: atomic { garbage -> garbage = false }
		:: !garbage -> goto next	/* the owner was faster */
		fi;
		number = seq;
#elif defined(BREAK_NUMBER_EARLY)
		number = seq;
		if
		:: atomic { garbage -> garbage = false }
		:: !garbage -> goto next
		fi;
#else
		if
		:: atomic { garbage -> garbage = false; number = seq }	/* hs->lock */
		:: !garbage -> goto next
		fi;
#endif
		/* The flush arrives */
		if
#ifdef BREAK_SEQ
		:: atomic { true -> has = false }
#else
		:: atomic { copy_seq <= number -> has = false }
		:: copy_seq > number
#endif
		fi;
		n++;
next:		skip
	od;
	worker_done = true
}

/* Property 2; a worker that has used up its flushes shows nothing */
active proctype judge()
{
	owner_done && worker_done;
	assert(!has || (stored && !freed) || garbage)
}

#ifdef HOST
/* It breaks its word */
active proctype host()
{
	has = false
}
#endif
