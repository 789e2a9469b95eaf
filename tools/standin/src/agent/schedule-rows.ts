/** Schedules as rows of sysschedules. */
import type { Schedule } from './schedule.ts';
import { numberOf, type Values } from './job-store.ts';

export function readSchedule(row: Values): Schedule {
  return {
    frequencyType: numberOf(row, 'freq_type'),
    frequencyInterval: numberOf(row, 'freq_interval'),
    subdayType: numberOf(row, 'freq_subday_type'),
    subdayInterval: numberOf(row, 'freq_subday_interval'),
    recurrenceFactor: numberOf(row, 'freq_recurrence_factor'),
    startDate: numberOf(row, 'active_start_date'),
    endDate: numberOf(row, 'active_end_date'),
    startTime: numberOf(row, 'active_start_time'),
    endTime: numberOf(row, 'active_end_time'),
  };
}
