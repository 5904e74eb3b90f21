select audit_table('effects', 'user_id', 'id', '{kind,status,outward,tainted,agreed}',
  '{key,input,says,changes,before,found,lefts,undo,undo_until,undo_forced,undo_from,held_until,output,evidence_id,provider,error_code,error,is_retryable,origin,message_id,call_id,run_id,step,suggestion_id,action,schedule_run_id,holder,lease_until,attempts,version,done_at,ended_at,created_at,updated_at}',
  '{update}');
