import { z } from '@hono/zod-openapi'
import { answer, body, createApp, created, etag, ifMatch, personRoute, s, versioned } from '#core'
import { getAnalytics } from './analytics.ts'
import { freeBusy } from './busy.ts'
import { deleteEvent, restoreEvent, updateEvent } from './change.ts'
import { createEvent } from './create.ts'
import { getEvent } from './event.ts'
import { findTime } from './find-time.ts'
import { listEvents, today, upcoming } from './list.ts'
import {
  BusyQuery,
  CalendarAnalytics,
  CalendarEvent,
  EventPatch,
  EventQuery,
  FreeBusy,
  NewEvent,
  OccurrencePage,
  OccurrenceQuery,
  SlotQuery,
  Slots,
  Today,
  UpcomingQuery,
  WhichQuery,
} from './schema.ts'

const ofCalendar = { tags: ['Calendar'] }
const eventId = z.strictObject({ id: s.id('cal') })

const listEventsRoute = personRoute({
  method: 'get',
  path: '/calendar/events',
  operationId: 'listEvents',
  summary: 'What happens in a window, in order of its start',
  description: 'Each occurrence of a series for itself; whatever overlaps the window is in it.',
  ...ofCalendar,
  request: { query: EventQuery },
  responses: { 200: answer(OccurrencePage, 'A page of what happens') },
})
const createEventRoute = personRoute({
  method: 'post',
  path: '/calendar/events',
  operationId: 'createEvent',
  summary: 'Put an event into the calendar',
  ...ofCalendar,
  request: { body: body(NewEvent) },
  responses: { 201: created(CalendarEvent, 'The event') },
})
const getEventRoute = personRoute({
  method: 'get',
  path: '/calendar/events/{id}',
  operationId: 'getEvent',
  summary: 'One event, or a series with what of it is different',
  ...ofCalendar,
  request: { params: eventId },
  responses: { 200: versioned(CalendarEvent, 'The event') },
})
const updateEventRoute = personRoute(
  {
    method: 'patch',
    path: '/calendar/events/{id}',
    operationId: 'updateEvent',
    summary: 'Change or move an event, one occurrence of a series, or all from there on',
    description:
      'Changed from an occurrence on, a series ends before it, and the answer is the new one that begins. What differs of one occurrence stays different when its series is changed.',
    ...ofCalendar,
    request: { params: eventId, query: WhichQuery, body: body(EventPatch) },
    responses: { 200: versioned(CalendarEvent, 'The event, changed') },
  },
  { ifMatch: true },
)
const deleteEventRoute = personRoute({
  method: 'delete',
  path: '/calendar/events/{id}',
  operationId: 'deleteEvent',
  summary: 'Put an event into the bin, cancel one occurrence, or end a series before it',
  ...ofCalendar,
  request: { params: eventId, query: WhichQuery },
  responses: { 204: { description: 'Gone' } },
})
const restoreEventRoute = personRoute({
  method: 'post',
  path: '/calendar/events/{id}/restore',
  operationId: 'restoreEvent',
  summary: 'Take an event out of the bin, or take back that an occurrence was cancelled',
  ...ofCalendar,
  request: { params: eventId, query: OccurrenceQuery },
  responses: { 200: versioned(CalendarEvent, 'The event') },
})
const todayRoute = personRoute({
  method: 'get',
  path: '/calendar/today',
  operationId: 'getToday',
  summary: "What happens on the person's day",
  ...ofCalendar,
  responses: { 200: answer(Today, 'The day') },
})
const upcomingRoute = personRoute({
  method: 'get',
  path: '/calendar/upcoming',
  operationId: 'listUpcoming',
  summary: 'What is on now and what comes next',
  ...ofCalendar,
  request: { query: UpcomingQuery },
  responses: { 200: answer(OccurrencePage, 'The next ones, of a year; there is no further page') },
})
const freeBusyRoute = personRoute({
  method: 'get',
  path: '/calendar/free-busy',
  operationId: 'getFreeBusy',
  summary: 'When the person is busy',
  description: 'What is cancelled or marked free takes no time; what overlaps or touches is one.',
  ...ofCalendar,
  request: { query: BusyQuery },
  responses: { 200: answer(FreeBusy, 'The busy times') },
})
const findTimeRoute = personRoute({
  method: 'get',
  path: '/calendar/free-slots',
  operationId: 'findTime',
  summary: 'Where so many minutes are free',
  description:
    'From now on, never in quiet hours. Without working hours in the preferences: 9 to 17, Monday to Friday.',
  ...ofCalendar,
  request: { query: SlotQuery },
  responses: { 200: answer(Slots, 'Slots that do not overlap') },
})
const analyticsRoute = personRoute({
  method: 'get',
  path: '/calendar/analytics',
  operationId: 'getCalendarAnalytics',
  summary: 'Hours busy and in meetings by week and weekday',
  ...ofCalendar,
  responses: { 200: answer(CalendarAnalytics, 'Counted in the days of the person') },
})

export const app = createApp()
  .openapi(listEventsRoute, async (c) => c.json(await listEvents(c.var.ctx, c.req.valid('query')), 200))
  .openapi(createEventRoute, async (c) => {
    const event = await createEvent(c.var.ctx, c.req.valid('json'))
    return c.json(event, 201, { ...etag(event.version), Location: `${c.req.path}/${event.id}` })
  })
  .openapi(getEventRoute, async (c) => {
    const event = await getEvent(c.var.ctx, c.req.valid('param').id)
    return c.json(event, 200, etag(event.version))
  })
  .openapi(updateEventRoute, async (c) => {
    const { after } = await ifMatch(c, (version) =>
      updateEvent(c.var.ctx, c.req.valid('param').id, c.req.valid('query'), c.req.valid('json'), version),
    )
    return c.json(after, 200, etag(after.version))
  })
  .openapi(deleteEventRoute, async (c) => {
    await deleteEvent(c.var.ctx, c.req.valid('param').id, c.req.valid('query'))
    return c.body(null, 204)
  })
  .openapi(restoreEventRoute, async (c) => {
    const event = await restoreEvent(c.var.ctx, c.req.valid('param').id, c.req.valid('query'))
    return c.json(event, 200, etag(event.version))
  })
  .openapi(todayRoute, async (c) => c.json(await today(c.var.ctx), 200))
  .openapi(upcomingRoute, async (c) => c.json(await upcoming(c.var.ctx, c.req.valid('query').limit), 200))
  .openapi(freeBusyRoute, async (c) => c.json(await freeBusy(c.var.ctx, c.req.valid('query')), 200))
  .openapi(findTimeRoute, async (c) => c.json(await findTime(c.var.ctx, c.req.valid('query')), 200))
  .openapi(analyticsRoute, async (c) => c.json(await getAnalytics(c.var.ctx), 200))
