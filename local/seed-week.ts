export type SeedTask = {
  title: string
  /** Days from today; without it the task has no due. */
  day?: number
  time?: string
  /** Rings on the day it is due. */
  remind?: string
  project?: string
  labels?: string[]
  priority?: 'low' | 'medium' | 'high' | 'urgent'
  repeat?: string
  estimateMinutes?: number
  notes?: string
  done?: boolean
}

const HOME = 'Home'
const LAUNCH = 'Website launch'
const HEALTH = 'Health'

export const PROJECTS = [
  { name: HOME, colour: '#2e7d32' },
  { name: LAUNCH, colour: '#1565c0' },
  { name: HEALTH, colour: '#c62828' },
]

/** A week of a life: some of it done, some of it late, most of it to come. */
export const TASKS: SeedTask[] = [
  { title: 'Send the invoice to Northwind', day: -6, labels: ['money'], priority: 'high', done: true },
  { title: 'Book the dentist', day: -5, project: HEALTH, labels: ['calls'], done: true },
  { title: 'Return the library books', day: -4, project: HOME, done: true },
  { title: 'Draft the launch announcement', day: -4, project: LAUNCH, estimateMinutes: 90, done: true },
  { title: 'Review the new landing page', day: -3, time: '15:00', project: LAUNCH, labels: ['review'], done: true },
  { title: 'Buy running shoes', day: -3, project: HEALTH, labels: ['errand'], done: true },
  { title: 'Answer Priya about the budget', day: -2, labels: ['email'], priority: 'high', done: true },
  {
    title: 'Fix the broken signup form',
    day: -1,
    project: LAUNCH,
    priority: 'urgent',
    estimateMinutes: 60,
    done: true,
  },
  { title: 'Renew the car insurance', day: -2, labels: ['money'], priority: 'high' },
  { title: 'Call the landlord about the heating', day: -1, time: '11:00', project: HOME, labels: ['calls'] },
  { title: 'Update the privacy policy', day: -1, project: LAUNCH },
  { title: 'Pick up the parcel', day: 0, project: HOME, labels: ['errand'] },
  {
    title: 'Prepare slides for the launch review',
    day: 0,
    time: '16:00',
    project: LAUNCH,
    priority: 'high',
    estimateMinutes: 120,
  },
  { title: 'Read the contract from Contoso', day: 0, labels: ['review'], estimateMinutes: 45 },
  { title: 'Go for a run', day: 1, time: '07:30', project: HEALTH, repeat: 'FREQ=WEEKLY;BYDAY=MO,WE,FR' },
  { title: 'Dentist appointment', day: 1, time: '09:00', remind: '08:15', project: HEALTH },
  {
    title: 'Launch review with Sam and Priya',
    day: 1,
    time: '14:00',
    remind: '13:45',
    project: LAUNCH,
    labels: ['meeting'],
  },
  { title: 'Water the plants', day: 1, project: HOME, repeat: 'FREQ=DAILY;INTERVAL=3' },
  {
    title: 'Write the weekly update',
    day: 2,
    time: '16:30',
    labels: ['writing'],
    repeat: 'FREQ=WEEKLY',
    estimateMinutes: 30,
  },
  {
    title: 'Groceries for the weekend',
    day: 2,
    project: HOME,
    labels: ['errand'],
    notes: 'Bread, olives, coffee, washing powder',
  },
  { title: 'Check the analytics dashboard', day: 2, time: '10:00', project: LAUNCH, repeat: 'FREQ=WEEKLY' },
  {
    title: 'Send the slides to the board',
    day: 3,
    time: '12:00',
    remind: '11:00',
    project: LAUNCH,
    priority: 'urgent',
  },
  { title: 'Call Mum', day: 3, time: '18:30', remind: '18:30', labels: ['calls'], repeat: 'FREQ=WEEKLY' },
  { title: 'Pay the electricity bill', day: 4, project: HOME, labels: ['money'], repeat: 'FREQ=MONTHLY' },
  {
    title: 'Interview the second designer',
    day: 4,
    time: '11:00',
    remind: '10:50',
    labels: ['meeting'],
    estimateMinutes: 60,
  },
  { title: 'Proofread the help pages', day: 5, project: LAUNCH, labels: ['review', 'writing'], estimateMinutes: 90 },
  {
    title: 'Take out the recycling',
    day: 5,
    time: '07:00',
    remind: '07:00',
    project: HOME,
    repeat: 'FREQ=WEEKLY;INTERVAL=2',
  },
  { title: 'Plan the birthday dinner for Alex', day: 6, project: HOME, priority: 'medium' },
  { title: 'Website goes live', day: 7, time: '09:00', remind: '08:30', project: LAUNCH, priority: 'urgent' },
  { title: 'Write to everyone on the waiting list', day: 7, time: '10:00', project: LAUNCH, labels: ['email'] },
  { title: 'Book train tickets to Vienna', day: 9, labels: ['travel'], priority: 'medium' },
  { title: 'Flu vaccination', day: 10, time: '17:15', remind: '16:30', project: HEALTH },
  { title: 'Quarterly goals', day: 13, labels: ['writing'], priority: 'high', estimateMinutes: 120 },
  { title: 'Learn to make sourdough', project: HOME, priority: 'low' },
  { title: 'Find a piano teacher', priority: 'low', labels: ['someday'] },
  { title: 'Read "The Mythical Man-Month"', priority: 'low', labels: ['someday', 'reading'] },
]

export type SeedEvent = {
  title: string
  /** Days from today; without a time it is a whole day, up to `lastDay`. */
  day: number
  lastDay?: number
  time?: string
  endTime?: string
  repeat?: string
  location?: string
  attendees?: { name: string; address: string }[]
  /** Minutes before. */
  reminders?: number[]
}

const SAM = { name: 'Sam Okafor', address: 'sam@northwind.example' }
const PRIYA = { name: 'Priya Rao', address: 'priya@northwind.example' }

export const EVENTS: SeedEvent[] = [
  { title: 'Planning with Priya', day: -6, time: '10:00', endTime: '10:30', repeat: 'FREQ=WEEKLY', attendees: [PRIYA] },
  { title: 'Yoga', day: -7, time: '18:00', endTime: '19:15', repeat: 'FREQ=WEEKLY', location: 'Studio Nord' },
  { title: 'Coffee with the neighbours', day: -1, time: '16:00', endTime: '17:00' },
  { title: 'Dentist', day: 1, time: '09:00', endTime: '09:45', location: 'Ring 12', reminders: [60] },
  {
    title: 'Launch review',
    day: 1,
    time: '14:00',
    endTime: '15:00',
    location: 'Room 2',
    attendees: [SAM, PRIYA],
    reminders: [15],
  },
  { title: 'Lunch with Alex', day: 2, time: '12:30', endTime: '13:30', location: 'Trattoria Lina' },
  { title: 'Interview: second designer', day: 4, time: '11:00', endTime: '12:00', attendees: [SAM], reminders: [10] },
  { title: 'Alex is away', day: 5, lastDay: 6 },
  { title: 'Website goes live', day: 7 },
]

export const SCHEDULES = [
  {
    name: 'Friday wrap-up',
    when: { kind: 'cron', cron: '0 16 * * FRI' },
    action: { kind: 'notify', title: 'Write down what got done this week' },
  },
]

/** Templates; each is run once, so that there is something to decide. */
export const WORKFLOWS = [
  { template: 'morning_brief', name: 'Morning brief', params: {} },
  { template: 'overdue_triage', name: 'Overdue triage', params: { days: 1 } },
]

export const MEMORIES = [
  { text: 'Never takes calls before ten in the morning', kind: 'preference' },
  { text: 'Priya runs finance; she likes numbers before words', kind: 'person' },
  { text: 'Alex is my partner and has a birthday at the end of the month', kind: 'person' },
  { text: 'The website launch may not slip past the end of next week', kind: 'fact' },
  { text: 'Vegetarian, and allergic to walnuts', kind: 'fact' },
]

export const SAYINGS = ['what is due tomorrow?', 'remind me to charge the camera friday at 8 in the evening']
